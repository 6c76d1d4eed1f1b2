#include "broker/control/gone_watch.h"

#include <utility>

namespace millrace::control {

void GoneWatch::connection_broke(BrokerId broker) {
  if (!options_.host->is_active() || asked_.contains(broker)) return;
  const metadata::ImagePointer image = options_.images->load();
  const metadata::BrokerImage* known = image->find_broker(broker);
  if (known == nullptr || known->fenced || known->rpc.port == 0) return;
  asked_.insert(broker);
  // Of the process that registered this address: one that has taken its place meanwhile is not meant.
  const metadata::BrokerGone gone{.id = broker, .epoch = known->epoch};
  options_.network->connect(*options_.loop, {known->rpc.host, known->rpc.port}, kConnectTimeout,
                            [this, gone, alive = alive_](Result<std::unique_ptr<io::Stream>> stream) {
                              if (!*alive) return;
                              asked_.erase(gone.id);
                              if (stream || stream.error().code != Errc::connection_refused) return;
                              options_.host->note_gone(gone);
                            });
}

}  // namespace millrace::control
