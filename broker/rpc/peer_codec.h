#pragma once

#include "broker/base/result.h"
#include "broker/replication/peer_messages.h"
#include "broker/rpc/frame.h"

namespace millrace::rpc {

// PeerMessage of replication.proto. Record batches are neither copied nor parsed: they follow the frame's head as they
// are, and a decoded message's batches are slices of the frame.
Frame encode(const replication::PeerMessage& message);

// malformed: no such message, more entries or bytes than peer_messages.h allows, or batches that do not fit their
// entries.
Result<replication::PeerMessage> decode_peer_message(const Bytes& frame);

}  // namespace millrace::rpc
