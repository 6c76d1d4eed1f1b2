#include <ostream>

#include "operator/cli/state_dir.h"
#include "operator/cli/verbs.h"

namespace millrace::cli {

int run(World& world, const CommandLine& line, Signals& signals) {
  if (line.verb == Verb::local_up) return local_up(world, line, signals);
  if (line.verb == Verb::local_down) return local_down(world, line, signals);
  if (line.verb == Verb::local_status) return local_status(world, line);

  StateDir dir(world, line.data_dir);
  const Result<bool> exists = dir.exists();
  if (!exists) return fail(world, exists.error().to_string());
  if (!*exists) {
    return fail(world, "there is no local cluster in " + dir.path() +
                           "; start one with `millrace local up -f PATH`, or name its directory with --data-dir");
  }
  const Result<bool> is_running = dir.is_running();
  if (!is_running) return fail(world, is_running.error().to_string());
  const Result<std::unique_ptr<local::Store>> store = dir.open_store();
  if (!store) return fail(world, store.error().to_string());
  switch (line.verb) {
    case Verb::apply:
      return apply(world, line, **store, *is_running);
    case Verb::get:
      return get(world, line, **store, *is_running);
    case Verb::describe:
      return describe(world, line, **store);
    case Verb::remove:
      return remove(world, line, **store, *is_running);
    case Verb::why:
      return why(world, line, **store, *is_running);
    case Verb::local_up:
    case Verb::local_status:
    case Verb::local_down:
      break;
  }
  return kUsage;
}

}  // namespace millrace::cli
