#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "broker/base/bytes.h"
#include "broker/base/clock.h"
#include "broker/base/output_chain.h"
#include "broker/base/result.h"
#include "broker/io/network.h"

namespace millrace::admin {

// One connection to a broker on which one request at a time is answered. Owned by its loop: every call is made there.
// After an error it is of no further use.
class Link : public std::enable_shared_from_this<Link> {
 public:
  using Done = std::function<void(Result<Bytes> frame)>;
  static constexpr size_t kReplyBytesMax = 64u << 20;

  Link(io::EventLoop& loop, std::unique_ptr<io::Stream> stream) : loop_(loop), stream_(std::move(stream)) {}

  // Sends `frame` and calls back once with the reply, without its size. Errors: timed_out, connection_closed, io,
  // malformed (a reply larger than kReplyBytesMax or of no size).
  void exchange(OutputChain frame, Duration timeout, Done done);
  void close();

 private:
  void write();
  void read();
  // Bytes wanted of the part being read; nothing until the size is known.
  std::optional<Result<Bytes>> take_frame();
  void finish(Result<Bytes> result);

  io::EventLoop& loop_;
  std::unique_ptr<io::Stream> stream_;
  OutputChain output_;
  std::vector<std::byte> input_;
  Done done_;
  io::TimerId timer_ = 0;
};

}  // namespace millrace::admin
