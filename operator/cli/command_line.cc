#include "operator/cli/command_line.h"

#include <CLI/CLI.hpp>
#include <map>
#include <vector>

#include "operator/cli/world.h"

namespace millrace::cli {

namespace {

constexpr const char* kFooter =
    "Exit codes: 0 done; 1 it could not be done, standard error says why; 2 the command line or a manifest is wrong.";

const std::map<std::string, Output> kOutputs{{"table", Output::table}, {"yaml", Output::yaml}, {"json", Output::json}};

class Parser {
 public:
  Parser() : app_("Runs Millrace clusters from manifests, and looks at them.", "millrace") {
    app_.require_subcommand(1);
    app_.footer(kFooter);
    add_local();
    add_objects();
  }

  std::variant<CommandLine, int> parse(int argc, const char* const* argv, std::ostream& out, std::ostream& err) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      return app_.exit(error, out, err) == 0 ? kDone : kUsage;
    }
    return line_;
  }

 private:
  CLI::App* verb(CLI::App* parent, const std::string& name, const std::string& help, Verb verb) {
    CLI::App* made = parent->add_subcommand(name, help);
    made->parse_complete_callback([this, verb] { line_.verb = verb; });
    made->add_option("--data-dir", line_.data_dir, "Where the local cluster lives")->capture_default_str();
    return made;
  }
  void output(CLI::App* app, const std::string& choices) {
    app->add_option_function<std::string>(
           "-o,--output", [this](const std::string& word) { line_.output = kOutputs.at(word); },
           "How to print: " + choices)
        ->check(CLI::IsMember(choices.find("yaml") == std::string::npos
                                  ? std::vector<std::string>{"table", "json"}
                                  : std::vector<std::string>{"table", "yaml", "json"}));
  }
  void name_space(CLI::App* app) {
    app->add_option("-n,--namespace", line_.name_space, "Namespace of the object")->capture_default_str();
  }

  void add_local() {
    CLI::App* local = app_.add_subcommand("local", "A cluster of processes on this machine");
    local->require_subcommand(1);
    CLI::App* up = verb(local, "up", "Make the manifests run, and stay until Ctrl-C", Verb::local_up);
    up->add_option("-f,--file", line_.path, "A manifest, or a directory of them")->required();
    up->add_flag("--detach", line_.detach, "Leave the cluster running in the background");
    up->add_flag("--background", line_.is_background)->group("");  // how --detach starts itself
    CLI::App* status = verb(local, "status", "What runs, and where", Verb::local_status);
    output(status, "table or json");
    CLI::App* down = verb(local, "down", "Stop the cluster; its data stays", Verb::local_down);
    down->add_flag("--purge", line_.purge, "Remove its data, too");
  }

  void add_objects() {
    CLI::App* apply = verb(&app_, "apply", "Make objects as the manifests say", Verb::apply);
    apply->add_option("-f,--file", line_.path, "A manifest, or a directory of them")->required();
    CLI::App* get = verb(&app_, "get", "List clusters, topics or brokers", Verb::get);
    get->add_option("kind", line_.kind, "clusters, topics or brokers")->required();
    output(get, "table, yaml or json");
    name_space(get);
    CLI::App* describe = verb(&app_, "describe", "All about one object", Verb::describe);
    describe->add_option("kind", line_.kind, "cluster or topic")->required();
    describe->add_option("name", line_.name)->required();
    name_space(describe);
    CLI::App* remove = verb(&app_, "delete", "Delete one object", Verb::remove);
    remove->add_option("kind", line_.kind, "cluster or topic")->required();
    remove->add_option("name", line_.name)->required();
    name_space(remove);
    CLI::App* why =
        verb(&app_, "why", "What keeps a cluster and its topics from being ready, and since when", Verb::why);
    why->add_option("cluster", line_.name)->required();
    name_space(why);
  }

  CommandLine line_;
  CLI::App app_;
};

}  // namespace

std::variant<CommandLine, int> parse_command_line(int argc, const char* const* argv, std::ostream& out,
                                                  std::ostream& err) {
  return Parser().parse(argc, argv, out, err);
}

}  // namespace millrace::cli
