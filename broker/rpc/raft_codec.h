#pragma once

#include <variant>

#include "broker/base/result.h"
#include "broker/raft/node/transport.h"
#include "broker/rpc/frame.h"

namespace millrace::rpc {

using RaftMessage = std::variant<raft::Message, raft::Introduction>;

// RaftMessage of raft.proto. What a message means is the quorum's to judge; malformed: it is none.
Frame encode(const RaftMessage& message);
Result<RaftMessage> decode_raft_message(const Bytes& frame);

}  // namespace millrace::rpc
