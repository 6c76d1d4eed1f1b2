#pragma once

#include "broker/base/result.h"
#include "broker/raft/core/message.h"
#include "broker/rpc/frame.h"

namespace millrace::rpc {

// RaftMessage of raft.proto. What a message means is the core's to judge; malformed: it is none.
Frame encode(const raft::Message& message);
Result<raft::Message> decode_raft_message(const Bytes& frame);

}  // namespace millrace::rpc
