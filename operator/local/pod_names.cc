#include "operator/local/pod_names.h"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace millrace::local {

namespace {

bool is_label_character(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-'; }

// The name of the port that the pods of one template ask for as `number`.
std::string name_of_port(const kube::Object& pod, uint16_t number) {
  for (const auto& [name, port] : wanted_ports(pod)) {
    if (port == number) return name;
  }
  return "";
}

}  // namespace

Result<std::string> with_local_addresses(std::string_view text, const kube::Object& pod, const PortsOf& ports_of) {
  const std::string service = pod.text_at({"spec", "subdomain"});
  if (service.empty()) return std::string(text);
  const std::string domain = "." + service + "." + pod.name_space() + ".svc:";
  std::string result;
  size_t done = 0;  // of `text`, in `result`
  for (size_t at = text.find(domain); at != std::string_view::npos; at = text.find(domain, at + 1)) {
    size_t begin = at;
    while (begin > done && is_label_character(text[begin - 1])) --begin;
    const char* const digits = text.data() + at + domain.size();
    uint16_t number = 0;
    const auto read = std::from_chars(digits, text.data() + text.size(), number);
    const std::string port = read.ec == std::errc() ? name_of_port(pod, number) : std::string();
    if (begin == at || port.empty()) continue;
    const std::string name(text.substr(begin, at - begin));
    const std::optional<Ports> ports = ports_of({"Pod", pod.name_space(), name});
    if (!ports || !ports->contains(port)) {
      return Error{Errc::not_found, "the address of pod " + name + " is not known yet"};
    }
    result.append(text.substr(done, begin - done)).append(kLocalHost).append(":");
    result.append(std::to_string(ports->at(port)));
    done = static_cast<size_t>(read.ptr - text.data());
  }
  return result.append(text.substr(done));
}

}  // namespace millrace::local
