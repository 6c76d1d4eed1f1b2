#pragma once

#include <cstddef>
#include <memory>

#include "broker/base/result.h"
#include "broker/base/strong_id.h"
#include "broker/io/event_loop.h"
#include "broker/replication/peer_messages.h"

namespace millrace::replication {

// Told of what happens to one link, on the link's loop and never from within a call of the link. May destroy the link.
class PeerLinkEvents {
 public:
  virtual ~PeerLinkEvents() = default;
  virtual void on_message(PeerMessage message) = 0;
  // The last event: the peer closed it, could not be reached or broke a rule of the transport. Not told after close().
  virtual void on_closed(const Error& why) = 0;
};

// One end of a stream between two brokers: ordered, each message once or the stream breaks; nothing is sent again. All
// calls on the link's loop. Destruction closes it; from then on no event comes.
class PeerLink {
 public:
  virtual ~PeerLink() = default;
  // Takes the message to be sent behind the earlier ones; never waits. Once the link is closed it is dropped. The link
  // holds what it is given until the peer takes it: senders of Data stop while unsent_bytes() is kUnsentBytesMax or
  // more, and go on when acknowledgements come.
  virtual void send(PeerMessage message) = 0;
  // About how much of what send() took has not left this process.
  virtual size_t unsent_bytes() const = 0;
  virtual void close() = 0;
};

// Takes in the links that other brokers open to this one.
class PeerAcceptor {
 public:
  virtual ~PeerAcceptor() = default;
  // Any thread: the loop that the next link is to live on.
  virtual io::EventLoop& loop_for_link() = 0;
  // On that loop, before the link's first event. The events outlive the link.
  virtual PeerLinkEvents& accept(std::unique_ptr<PeerLink> link) = 0;
};

// How streams between brokers come about. Implemented at the edge of the process and by tests. Thread-safe.
class PeerTransport {
 public:
  virtual ~PeerTransport() = default;
  // A stream to `leader`, on `loop`; called there. Returns at once: messages wait until the peer is reached, and a peer
  // that cannot be is a closed link. `events` outlives the link.
  virtual std::unique_ptr<PeerLink> connect(BrokerId leader, io::EventLoop& loop, PeerLinkEvents& events) = 0;
  // Links from other brokers go to `acceptor` from now on; null: they are refused, and none is accepted once this has
  // returned. The acceptor outlives the links it was given.
  virtual void set_acceptor(PeerAcceptor* acceptor) = 0;
};

}  // namespace millrace::replication
