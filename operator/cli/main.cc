#include <iostream>
#include <variant>

#include <unistd.h>

#include "broker/io/posix/kernel_random.h"
#include "broker/io/posix/posix_file_system.h"
#include "broker/io/posix/real_clock.h"
#include "operator/admin/grpc_cluster_admin.h"
#include "operator/cli/command_line.h"
#include "operator/cli/verbs.h"

int main(int argc, char** argv) {
  using namespace millrace;
  const std::variant<cli::CommandLine, int> parsed = cli::parse_command_line(argc, argv, std::cout, std::cerr);
  if (const int* code = std::get_if<int>(&parsed)) return *code;
  cli::Signals signals;  // before any thread
  io::posix::PosixFileSystem fs;
  io::posix::RealClock clock;
  io::posix::KernelRandom random;
  admin::GrpcClusterAdminConnector brokers;
  cli::World world{.out = std::cout,
                   .err = std::cerr,
                   .is_terminal = ::isatty(STDOUT_FILENO) == 1,
                   .fs = fs,
                   .clock = clock,
                   .random = random,
                   .brokers = brokers};
  return cli::run(world, std::get<cli::CommandLine>(parsed), signals);
}
