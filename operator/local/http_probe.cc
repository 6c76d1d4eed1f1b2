#include "operator/local/http_probe.h"

#include <httplib.h>

namespace millrace::local {

bool probe_http(const Probe& probe) {
  httplib::Client client("127.0.0.1", probe.port);
  client.set_connection_timeout(probe.timeout);
  client.set_read_timeout(probe.timeout);
  client.set_write_timeout(probe.timeout);
  const httplib::Result answer = client.Get(probe.path);
  return answer && answer->status >= 200 && answer->status < 300;
}

}  // namespace millrace::local
