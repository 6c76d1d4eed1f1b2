#include <nlohmann/json.hpp>

#include "operator/local/store_test_support.h"

namespace millrace::local {
namespace {

using kube::Json;

// One change of each kind; returns what was acknowledged last.
struct Expected {
  bool a_created = false;
  bool a_updated = false;
  bool b_created = false;
  bool b_removed = false;
};

class StoreCrashTest : public StoreTest {
 protected:
  Expected work() {
    Expected done;
    auto store = Store::open({.directory = "/state", .fs = &fs_, .clock = &clock_, .random = &random_, .admit = {}});
    if (!store) return done;
    const Result<Object> a = (*store)->create(config_map("a", R"({"x":"1"})"));
    done.a_created = a.has_value();
    if (!a) return done;
    Json changed = a->json();
    changed["data"]["x"] = "2";
    done.a_updated = (*store)->update(Object(changed)).has_value();
    done.b_created = (*store)->create(config_map("b")).has_value();
    done.b_removed = done.b_created && (*store)->remove(key("b"), "").has_value();
    return done;
  }

  void expect_kept(const Expected& done, const std::string& what) {
    const auto store = open();
    const Result<Object> a = store->get(key("a"));
    if (done.a_created) {
      ASSERT_TRUE(a.has_value()) << what;
      EXPECT_TRUE(!done.a_updated || a->text_at({"data", "x"}) == "2") << what;
    }
    EXPECT_FALSE(done.b_removed && store->get(key("b")).has_value()) << what;
    if (a) {
      Json changed = a->json();
      changed["data"]["y"] = "3";
      EXPECT_TRUE(store->update(Object(changed)).has_value()) << what;
      EXPECT_EQ(store->update(Object(changed)).error().code, Errc::conflict) << what;
    }
    ASSERT_TRUE(fs_.remove_all("/state").has_value());
  }
};

TEST_F(StoreCrashTest, a_crash_or_power_loss_at_any_write_keeps_what_was_acknowledged) {
  uint64_t calls = 0;
  {
    const uint64_t before = fs_.calls();
    ASSERT_TRUE(work().b_removed);
    calls = fs_.calls() - before;
    ASSERT_TRUE(fs_.remove_all("/state").has_value());
  }
  for (uint64_t n = 0; n < calls; ++n) {
    for (const bool power : {false, true}) {
      fs_.die_at_call(n);
      const Expected done = work();
      if (power) {
        fs_.lose_power();
      } else {
        fs_.restart();
      }
      expect_kept(done, "call " + std::to_string(n) + (power ? ", power loss" : ", crash"));
    }
  }
}

TEST_F(StoreCrashTest, one_failed_write_fails_one_change_and_the_store_goes_on) {
  for (uint64_t n = 0; n < 64; ++n) {
    fs_.fail_call(n, Errc::disk_full);
    const Expected done = work();
    fs_.fail_call(io::sim::SimFileSystem::kNever);
    expect_kept(done, "call " + std::to_string(n));
  }
}

}  // namespace
}  // namespace millrace::local
