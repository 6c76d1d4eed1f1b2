#pragma once

#include <cstdint>
#include <utility>

#include "broker/base/bytes.h"
#include "broker/base/result.h"
#include "broker/protocol/reader.h"
#include "broker/server/reply.h"
#include "broker/server/request_context.h"

namespace millrace::server {

struct Services;

// A request as dispatch hands it over: header decoded, body not.
struct RawRequest {
  Services& services;
  RequestContext context;
  Bytes body;  // of this request alone; slices of it (record data) may be kept
  ReplySlot reply;
};

// One row of the table of handlers/handlers.cc, the only place where the versions we serve are stated: ApiVersions,
// dispatch and metric labels read it.
struct Handler {
  protocol::ApiKey api;
  int16_t version_min = 0;  // accepted
  int16_t version_max = 0;
  int16_t advertised_min = 0;  // in ApiVersions; lower than version_min for Produce only (KAFKA-18659)
  void (*run)(RawRequest request) = nullptr;
  bool on_controller = false;  // answered by the controller: other brokers forward the request there
};

// Closes the connection with a rate-limited log line and a count: a body that does not decode.
void refuse_body(RawRequest request, const Error& error);

// Adapts a typed handler to Handler::run. A handler file holds
//
//   void handle_fetch(Services& services, RequestContext context, protocol::FetchRequest request,
//                     Reply<protocol::FetchResponse> reply);
//   void run_fetch(RawRequest request) { run_typed<&handle_fetch>(std::move(request)); }
//
// and handlers.h declares run_fetch. The handler runs on the connection's reactor, in the order of the requests of the
// connection; it must not block. It may keep context, request and reply and answer later (see purgatory.h); requests
// that follow on the same connection are handled meanwhile.
template <auto handle>
void run_typed(RawRequest request);

template <class Request, class Response>
using TypedHandler = void (*)(Services&, RequestContext, Request, Reply<Response>);

template <class Request, class Response>
void run_with(TypedHandler<Request, Response> handle, RawRequest request) {
  protocol::Reader reader(request.body);
  Request decoded;
  decoded.read(reader, request.context.version);
  if (!reader.ok()) return refuse_body(std::move(request), reader.status().error());
  request.reply.count_memory(reader.decoded_bytes());
  handle(request.services, std::move(request.context), std::move(decoded), Reply<Response>(std::move(request.reply)));
}

template <auto handle>
void run_typed(RawRequest request) {
  run_with(handle, std::move(request));
}

}  // namespace millrace::server
