#include "operator/cli/local_cluster.h"

#include "operator/local/http_probe.h"

namespace millrace::cli {

Result<std::unique_ptr<LocalCluster>> LocalCluster::start(World& world, const std::string& directory,
                                                          const std::string& program_directory, local::Store& store) {
  std::unique_ptr<LocalCluster> cluster(new LocalCluster());
  cluster->pump_ = std::make_unique<local::StorePump>(store);
  cluster->node_ = std::make_unique<local::Node>(local::PodsOptions{.directory = directory,
                                                                    .program_directory = program_directory,
                                                                    .client = &store,
                                                                    .fs = &world.fs,
                                                                    .clock = &world.clock,
                                                                    .runner = &cluster->runner_,
                                                                    .ports = &cluster->ports_,
                                                                    .probe = &local::probe_http});
  TRY_ASSIGN(cluster->runtime_,
             app::OperatorRuntime::start(
                 {.kube = &store,
                  .clock = &world.clock,
                  .defaults = {.image = "millrace:dev", .version = app::product_version(), .is_local = true}}));
  return cluster;
}

}  // namespace millrace::cli
