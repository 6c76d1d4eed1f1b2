#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "broker/base/endian.h"
#include "broker/io/network.h"

namespace millrace::server {

// For tests: a client that sends bytes as they are and collects replies. On its stream's loop.
class TestClient {
 public:
  explicit TestClient(std::unique_ptr<io::Stream> stream) : stream_(std::move(stream)) { read(); }

  void send(std::string bytes) {
    out_.append(Bytes::copy_of(bytes));
    write();
  }
  void stop_reading() { reads_ = false; }
  void go_on_reading() {
    reads_ = true;
    read();
  }
  void disconnect() { stream_.reset(); }

  // "correlation id:text" of each reply, in the order of arrival.
  const std::vector<std::string>& replies() const { return replies_; }
  size_t received() const { return received_; }
  bool is_closed() const { return closed_; }
  bool has_sent_all() const { return out_.empty(); }
  io::Stream& stream() { return *stream_; }

 private:
  void read() {
    if (waits_readable_ || !stream_) return;
    std::array<std::byte, 4096> buffer;
    while (reads_ && !closed_) {
      const Result<size_t> got = stream_->read_some(buffer);
      if (got) {
        in_ += as_text({buffer.data(), *got});
        received_ += *got;
        cut_replies();
      } else if (got.error().code == Errc::would_block) {
        waits_readable_ = true;
        stream_->when_readable([this] { waits_readable_ = false, read(); });
        return;
      } else {
        closed_ = true;
      }
    }
  }
  void cut_replies() {
    while (in_.size() >= 8) {
      const auto size = static_cast<size_t>(load_big_endian<int32_t>(as_bytes(in_).data()));
      if (in_.size() < 4 + size) return;
      const auto id = load_big_endian<int32_t>(as_bytes(in_).data() + 4);
      replies_.push_back(std::to_string(id) + ":" + in_.substr(8, size - 4));
      in_.erase(0, 4 + size);
    }
  }
  void write() {
    while (!out_.empty() && !waits_writable_ && stream_) {
      const Result<size_t> sent = stream_->write_some(out_);
      if (sent) continue;
      if (sent.error().code != Errc::would_block) {
        out_ = OutputChain();
        return;
      }
      waits_writable_ = true;
      stream_->when_writable([this] { waits_writable_ = false, write(); });
    }
  }

  std::unique_ptr<io::Stream> stream_;
  std::string in_;  // what follows the last whole reply
  size_t received_ = 0;
  std::vector<std::string> replies_;
  OutputChain out_;
  bool reads_ = true;
  bool closed_ = false;
  bool waits_readable_ = false;
  bool waits_writable_ = false;
};

}  // namespace millrace::server
