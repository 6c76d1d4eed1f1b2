// A store that dies, loses power or meets an error in every call it makes of the disk: what it said is durable is
// there, and the rest is there from the front or not at all. MILLRACE_RAFT_NODE_SEEDS=count runs more seeds.
#include <algorithm>

#include "broker/io/sim/sim_random.h"
#include "broker/raft/node/store_test_support.h"

namespace millrace::raft::testing {
namespace {

// What a store holds, as far as its user can tell.
struct Held {
  HardState hard;
  Position snapshot;
  std::string image;
  std::vector<Entry> entries;  // behind the snapshot
  friend bool operator==(const Held&, const Held&) = default;
  Index last() const { return snapshot.index.next(static_cast<int64_t>(entries.size())); }
};

class StoreCrashTest : public StoreTest {
 protected:
  // What the store may hold after a crash now: from what was last durable to what was last tried.
  std::vector<Held> allowed_;
  Term term_{1};

  void start(uint64_t seed) {
    fresh_disk(seed);
    random_ = std::make_unique<io::sim::SimRandom>(seed * 977);
    segment_bytes_ = 300 + static_cast<int32_t>(random_->below(900));
    term_ = Term{1};
    open();
    bootstrap();
    allowed_ = {Held{{Term{1}, std::nullopt}, {}, "", entries_from(Index{1})}};
  }
  Held& newest() { return allowed_.back(); }
  void durable() { allowed_.erase(allowed_.begin(), allowed_.end() - 1); }

  Status run(int operations) {
    for (int i = 0; i < operations; ++i) TRY(act());
    return ok();
  }
  Status act() {
    switch (random_->below(12)) {
      case 0:
        return save();
      case 1:
        return cut();
      case 2:
        return take();
      case 3:
        return random_->below(3) == 0 ? install() : store_->flush();
      case 4:
      case 5:
        return flush();
      default:
        return add(newest().last());
    }
  }
  Status flush() {
    TRY(store_->flush());
    durable();
    return ok();
  }
  Status save() {
    term_ = term_.next();
    Held next = newest();
    next.hard = {term_, random_->below(2) == 0 ? std::optional(store_member(2)) : std::nullopt};
    allowed_.push_back(next);
    TRY(store_->save(next.hard));
    durable();
    return ok();
  }
  Status add(Index keeps) {
    std::vector<Entry> entries;
    for (uint64_t count = 1 + random_->below(3); count > 0; --count) {
      const size_t size = random_->below(10) == 0 ? 5000 : random_->below(60);
      entries.push_back(entry(term_.value(), std::string(size, static_cast<char>('a' + random_->below(26)))));
    }
    Held next = newest();
    while (next.last() > keeps) {  // segment by segment
      next.entries.pop_back();
      allowed_.push_back(next);
    }
    for (const Entry& one : entries) {
      next.entries.push_back(one);
      allowed_.push_back(next);
    }
    return store_->append(keeps, entries);
  }
  Status cut() {
    TRY(save());
    const int64_t count = static_cast<int64_t>(random_->below(newest().entries.size() + 1));
    const Index keeps = newest().last().previous(count);
    return keeps > Index{0} ? add(keeps) : ok();
  }
  Status take() {
    TRY(flush());
    const size_t covered = static_cast<size_t>(random_->below(newest().entries.size() + 1));
    if (covered == 0) return ok();
    Held next = newest();
    next.snapshot = {next.snapshot.index.next(static_cast<int64_t>(covered)), next.entries[covered - 1].term};
    next.image = "image of " + std::to_string(next.snapshot.index.value());
    next.entries.erase(next.entries.begin(), next.entries.begin() + static_cast<std::ptrdiff_t>(covered));
    allowed_.push_back(next);
    TRY(take_snapshot(meta(next.snapshot), next.image));
    durable();
    const Index base = next.snapshot.index.previous(static_cast<int64_t>(random_->below(10)));
    return base > Index{0} ? store_->compact({base, Term{1}}) : ok();
  }
  Status install() {
    TRY(save());
    Held next = newest();
    const bool keep = random_->below(2) == 0 && !next.entries.empty();
    const size_t covered = keep ? static_cast<size_t>(1 + random_->below(next.entries.size())) : next.entries.size();
    next.snapshot.index = next.snapshot.index.next(static_cast<int64_t>(covered + (keep ? 0 : 5)));
    next.snapshot.term = keep ? next.entries[covered - 1].term : term_;
    next.image = "installed " + std::to_string(next.snapshot.index.value());
    next.entries.erase(next.entries.begin(), next.entries.begin() + static_cast<std::ptrdiff_t>(covered));
    allowed_.push_back(next);
    TRY(receive_and_install(meta(next.snapshot), next.image, keep));
    durable();
    return ok();
  }

  Held held() {
    Held found;
    found.hard = restored_.hard;
    found.snapshot = restored_.snapshot.last;
    found.image = image();
    found.entries = entries_from(found.snapshot.index.next());
    return found;
  }
  void expect_allowed(const std::string& what) {
    const auto opened = try_open();
    ASSERT_TRUE(opened) << what << ": " << opened.error().to_string();
    const Held found = held();
    EXPECT_NE(std::find(allowed_.begin(), allowed_.end(), found), allowed_.end())
        << what << ": term " << found.hard.term.value() << ", snapshot " << found.snapshot.index.value() << ", last "
        << found.last().value() << "; last was " << newest().last().value() << ", durable "
        << allowed_.front().last().value();
    allowed_ = {found};
    term_ = std::max(term_, found.hard.term);
  }

 private:
  std::unique_ptr<io::sim::SimRandom> random_;
};

TEST_F(StoreCrashTest, survives_death_and_power_loss_in_any_call) {
  for (uint64_t seed = 1; seed <= seeds_to_run(12); ++seed) {
    bool died = true;
    for (uint64_t call = 0; died; call += 1 + seed % 3) {
      start(seed);
      disk_->die_at_call(call);
      died = !run(25);
      const std::string what = "seed " + std::to_string(seed) + ", call " + std::to_string(call);
      store_.reset();
      if (call % 2 == 0) disk_->restart();
      if (call % 2 == 1) disk_->lose_power();
      expect_allowed(what);
      ASSERT_FALSE(HasFailure());
      // What was found counts from now on, also after a power loss; and the store goes on.
      store_.reset();
      disk_->lose_power();
      expect_allowed(what + ", again");
      ASSERT_FALSE(HasFailure());
      ASSERT_TRUE(run(10)) << what;
      store_.reset();
      disk_->lose_power();
      expect_allowed(what + ", later");
      ASSERT_FALSE(HasFailure());
    }
  }
}

TEST_F(StoreCrashTest, survives_a_death_while_it_recovers) {
  for (uint64_t seed = 1; seed <= seeds_to_run(12); ++seed) {
    bool died = true;
    for (uint64_t call = 0; died; ++call) {
      start(seed);
      disk_->die_at_call(40 + seed * 7);
      static_cast<void>(static_cast<bool>(run(40)));
      store_.reset();
      disk_->lose_power();
      disk_->die_at_call(call);
      died = !try_open();
      store_.reset();
      disk_->lose_power();
      expect_allowed("seed " + std::to_string(seed) + ", call " + std::to_string(call) + " of the recovery");
      ASSERT_FALSE(HasFailure());
    }
  }
}

TEST_F(StoreCrashTest, an_error_of_any_call_is_told_and_loses_nothing) {
  for (const Errc code : {Errc::io, Errc::disk_full}) {
    for (uint64_t seed = 1; seed <= seeds_to_run(8); ++seed) {
      bool failed = true;
      for (uint64_t call = 0; failed; call += 1 + seed % 2) {
        start(seed);
        disk_->fail_call(call, code);
        const Status outcome = run(25);
        failed = !outcome;
        if (failed) {
          EXPECT_EQ(outcome.error().code, code) << outcome.error().context;
        }
        store_.reset();
        disk_->lose_power();
        expect_allowed("seed " + std::to_string(seed) + ", call " + std::to_string(call));
        ASSERT_FALSE(HasFailure());
      }
    }
  }
}

TEST_F(StoreCrashTest, a_full_disk_is_told_and_loses_nothing) {
  for (uint64_t seed = 1; seed <= seeds_to_run(8); ++seed) {
    for (uint64_t bytes = 500; bytes < 12'000; bytes += 293) {
      start(seed);
      disk_->set_capacity(bytes);
      const Status outcome = run(60);
      if (!outcome) {
        EXPECT_EQ(outcome.error().code, Errc::disk_full) << outcome.error().context;
      }
      store_.reset();
      disk_->restart();
      disk_->set_capacity(io::sim::SimFileSystem::kNever);
      expect_allowed("seed " + std::to_string(seed) + ", " + std::to_string(bytes) + " bytes");
      ASSERT_FALSE(HasFailure());
      ASSERT_TRUE(run(10));
    }
  }
}

TEST_F(StoreCrashTest, a_bootstrap_happens_as_a_whole) {
  bool died = true;
  for (uint64_t call = 0; died; ++call) {
    for (const bool power : {false, true}) {
      fresh_disk(call + 1);
      disk_->die_at_call(call);
      died = !try_open() || !store_->bootstrap(configuration_of({self_}));
      store_.reset();
      if (power) disk_->lose_power();
      if (!power) disk_->restart();
      open();
      if (store_->is_empty()) {
        EXPECT_TRUE(died);
        EXPECT_EQ(restored_.last, Index{0});
        bootstrap();
      }
      EXPECT_EQ(store_->last(), Index{1});
      EXPECT_EQ(restored_.hard.term, Term{1});
    }
  }
}

}  // namespace
}  // namespace millrace::raft::testing
