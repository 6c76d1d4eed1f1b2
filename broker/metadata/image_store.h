#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "broker/metadata/cluster_image.h"

namespace millrace::metadata {

// Where the newest committed image is. load() and publish() are thread-safe; subscribe() is for set-up, before the
// first publish().
class ImageStore {
 public:
  using Subscriber = std::function<void(const ImagePointer& before, const ImagePointer& now)>;

  ImageStore();  // holds an empty image

  // Never null. Keep what it returns for the length of one request: successive loads may differ.
  ImagePointer load() const;

  // `subscriber` sees every image in order, on the publishing thread, after load() returns it and before any command
  // that made it is answered: what it does (opening logs) is done when the client hears of success. It must not block
  // for long and must not publish.
  void subscribe(Subscriber subscriber);

  // One caller at a time.
  void publish(ImagePointer now);

 private:
#if defined(__SANITIZE_THREAD__)
  // libstdc++ 12 releases the lock inside atomic<shared_ptr> in a way that ThreadSanitizer does not see.
  std::shared_ptr<const ClusterImage> current_;
#else
  std::atomic<std::shared_ptr<const ClusterImage> > current_;
#endif
  std::vector<Subscriber> subscribers_;
};

}  // namespace millrace::metadata
