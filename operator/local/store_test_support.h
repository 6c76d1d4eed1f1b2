#pragma once

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "broker/io/sim/sim_clock.h"
#include "broker/io/sim/sim_file_system.h"
#include "broker/io/sim/sim_random.h"
#include "operator/local/store.h"

namespace millrace::local {

// A store on a simulated disk; what it says is short.
class StoreTest : public testing::Test {
 protected:
  std::unique_ptr<Store> open(Admit admit = {}, size_t watch_backlog_max = kWatchBacklogMax) {
    auto store = Store::open({.directory = "/state",
                              .fs = &fs_,
                              .clock = &clock_,
                              .random = &random_,
                              .admit = std::move(admit),
                              .watch_backlog_max = watch_backlog_max});
    EXPECT_TRUE(store.has_value()) << store.error().to_string();
    return std::move(*store);
  }

  static Object object(const std::string& text) {
    Result<Object> parsed = Object::parse(text);
    EXPECT_TRUE(parsed.has_value()) << text;
    return *parsed;
  }
  static Object config_map(const std::string& name, const std::string& data = "{}", const std::string& more = "") {
    return object(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":")" + name + "\"" + more +
                  R"(},"data":)" + data + "}");
  }
  static Object owned_by(const Object& owner, const std::string& name) {
    return config_map(
        name, "{}",
        R"(,"ownerReferences":[{"kind":"ConfigMap","name":")" + owner.name() + R"(","uid":")" + owner.uid() + "\"}]");
  }
  static ObjectKey key(const std::string& name) { return {"ConfigMap", "default", name}; }

  io::sim::SimFileSystem fs_;
  io::sim::SimClock clock_;
  io::sim::SimRandom random_{7};
};

// What a watch was told, as "added a, modified a".
class Told {
 public:
  std::function<void(const kube::WatchEvent&)> handler() {
    return [this](const kube::WatchEvent& event) {
      constexpr std::array kWords{"added ", "modified ", "deleted ", "lost"};
      text_ +=
          (text_.empty() ? "" : ", ") + std::string(kWords[static_cast<size_t>(event.change)]) + event.object.name();
    };
  }
  std::string take() { return std::exchange(text_, {}); }

 private:
  std::string text_;
};

}  // namespace millrace::local
