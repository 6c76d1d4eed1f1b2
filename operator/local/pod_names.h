#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "operator/kube/object.h"
#include "operator/local/pod_command.h"

namespace millrace::local {

// The ports that a pod of this machine has, or will have again; nothing while none were chosen.
using PortsOf = std::function<std::optional<Ports>(const kube::ObjectKey& pod)>;

// The name server of this machine. On Kubernetes pods of a StatefulSet reach each other as POD.SERVICE.NAMESPACE.svc,
// at the port that the container asks for. Here every pod is at 127.0.0.1 with ports of its own, so that each
// "POD.SERVICE.NAMESPACE.svc:PORT" in `text` becomes "127.0.0.1:PORT HERE" when SERVICE and NAMESPACE are those of
// `pod` itself; anything else stays. Pure. not_found: the ports of a pod that is named are not chosen yet.
Result<std::string> with_local_addresses(std::string_view text, const kube::Object& pod, const PortsOf& ports_of);

}  // namespace millrace::local
