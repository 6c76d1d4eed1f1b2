#include "broker/protocol/messages/delete_topics.h"

#include "broker/metadata/controller.h"
#include "broker/server/handler.h"
#include "broker/server/handlers/admin_reply.h"
#include "broker/server/handlers/handlers.h"
#include "broker/server/services.h"

namespace millrace::server::handlers {
namespace {

using protocol::DeleteTopicsRequest;
using protocol::DeleteTopicsResponse;
using Which = std::variant<std::string, Uuid>;

// One topic to delete as the request names it, or why that names none.
using Asked = Result<Which>;

std::vector<Asked> asked_topics(const DeleteTopicsRequest& request, int16_t version) {
  std::vector<Asked> asked;
  if (version < 6) {
    for (const std::string& name : request.topic_names) asked.emplace_back(Which(name));
    return asked;
  }
  for (const auto& topic : request.topics) {
    if (topic.name && !topic.topic_id.is_zero()) {
      asked.emplace_back(Error{Errc::invalid_argument, "a topic is named both by name and by id"});
    } else if (topic.name) {
      asked.emplace_back(Which(*topic.name));
    } else if (!topic.topic_id.is_zero()) {
      asked.emplace_back(Which(topic.topic_id));
    } else {
      asked.emplace_back(Error{Errc::invalid_argument, "neither a name nor an id"});
    }
  }
  return asked;
}

void fail(auto& out, const Error& error, int16_t version) {
  set_outcome(out, error);
  // The code came with version 3.
  if (error.code == Errc::topic_deletion_disabled && version < 3) {
    out.error_code = static_cast<int16_t>(protocol::ErrorCode::invalid_request);
  }
}

DeleteTopicsResponse answer(const std::vector<Asked>& asked, const Result<metadata::DeleteTopicsReply>& reply,
                            int16_t version) {
  DeleteTopicsResponse response;
  size_t next = 0;  // of the reply, which holds what could be asked
  for (const Asked& topic : asked) {
    auto& out = response.responses.emplace_back();
    out.name = std::nullopt;
    if (!topic) {
      fail(out, topic.error(), version);
      continue;
    }
    if (const auto* name = std::get_if<std::string>(&*topic)) out.name = *name;
    if (const auto* id = std::get_if<Uuid>(&*topic)) out.topic_id = *id;
    if (!reply) {
      fail(out, reply.error(), version);
      continue;
    }
    const Result<metadata::DeletedTopic>& deleted = reply->topics[next++];
    if (!deleted) {
      fail(out, deleted.error(), version);
      continue;
    }
    out.name = deleted->name;
    out.topic_id = deleted->id;
  }
  return response;
}

void handle_delete_topics(Services& services, RequestContext context, DeleteTopicsRequest request,
                          Reply<DeleteTopicsResponse> reply) {
  const int16_t version = context.version;
  const std::vector<Asked> asked = asked_topics(request, version);
  metadata::DeleteTopics command;
  for (const Asked& topic : asked) {
    if (topic) command.topics.push_back(*topic);
  }
  auto timed = std::make_shared<TimedReply<DeleteTopicsResponse>>(std::move(reply));
  timed->expire_after(context, request.timeout_ms, [asked, version] {
    return answer(asked, Error{Errc::timed_out, "the topic may still be deleted"}, version);
  });
  services.controller->delete_topics(std::move(command),
                                     [timed, asked, version](Result<metadata::DeleteTopicsReply> deleted) {
                                       timed->complete(answer(asked, deleted, version));
                                     });
}

}  // namespace

void run_delete_topics(RawRequest request) { run_typed<&handle_delete_topics>(std::move(request)); }

}  // namespace millrace::server::handlers
