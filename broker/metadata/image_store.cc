#include "broker/metadata/image_store.h"

namespace millrace::metadata {

ImageStore::ImageStore() : current_(std::make_shared<const ClusterImage>()) {}

ImagePointer ImageStore::load() const {
#if defined(__SANITIZE_THREAD__)
  return std::atomic_load(&current_);
#else
  return current_.load(std::memory_order_acquire);
#endif
}

void ImageStore::subscribe(Subscriber subscriber) { subscribers_.push_back(std::move(subscriber)); }

void ImageStore::publish(ImagePointer now) {
  const ImagePointer before = load();
#if defined(__SANITIZE_THREAD__)
  std::atomic_store(&current_, now);
#else
  current_.store(now, std::memory_order_release);
#endif
  for (const Subscriber& subscriber : subscribers_) subscriber(before, now);
}

}  // namespace millrace::metadata
