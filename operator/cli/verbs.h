#pragma once

#include "operator/cli/command_line.h"
#include "operator/cli/signals.h"
#include "operator/cli/world.h"
#include "operator/kube/client.h"

// One function per verb; each returns the exit code.
namespace millrace::cli {

int local_up(World& world, const CommandLine& line, Signals& signals);
int local_status(World& world, const CommandLine& line);
int local_down(World& world, const CommandLine& line, Signals& signals);

int apply(World& world, const CommandLine& line, kube::Client& kube, bool is_running);
int get(World& world, const CommandLine& line, kube::Client& kube, bool is_running);
int describe(World& world, const CommandLine& line, kube::Client& kube);
int remove(World& world, const CommandLine& line, kube::Client& kube, bool is_running);
int why(World& world, const CommandLine& line, kube::Client& kube, bool is_running);

int run(World& world, const CommandLine& line, Signals& signals);

}  // namespace millrace::cli
