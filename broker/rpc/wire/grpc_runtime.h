#pragma once

#include <string>

#include "broker/io/network.h"

namespace millrace::rpc {

// Before the first use of gRPC in the process; idempotent, any thread.
//
// gRPC's own messages go to the project's log, as debug lines: what matters in them reaches users through the errors of
// calls, in words of ours. And gRPC stays up until the process ends: taking it down when its last object goes may wait
// ten seconds for its poller of unfinished writes, and taking down the threads of its callbacks with the last channel
// was seen to abort the process (1.51). It polls by poll(2): each completion queue the sockets of its own calls, where
// otherwise one thread of the process would poll for all queues. A broker has a few sockets for each other broker.
void prepare_grpc();

// What a channel to the address is made with.
std::string target_of(const io::Endpoint& at);

}  // namespace millrace::rpc
