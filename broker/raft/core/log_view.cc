#include "broker/raft/core/log_view.h"

#include <algorithm>

namespace millrace::raft {

LogView::LogView(Position base, std::vector<TermRange> terms, Index last)
    : base_(base), last_(last), terms_(std::move(terms)) {
  ENSURE(last_ >= base_.index && terms_.empty() == (last_ == base_.index));
  ENSURE(terms_.empty() || (terms_.front().first == base_.index.next() && terms_.back().first <= last_));
}

size_t LogView::range_of(Index index) const {
  ENSURE(index > base_.index && index <= last_);
  const auto after = std::upper_bound(terms_.begin(), terms_.end(), index,
                                      [](Index wanted, const TermRange& range) { return wanted < range.first; });
  return static_cast<size_t>(after - terms_.begin()) - 1;
}

std::optional<Term> LogView::term_at(Index index) const {
  if (index == base_.index) return base_.term;
  if (index < base_.index || index > last_) return std::nullopt;
  return terms_[range_of(index)].term;
}

Index LogView::first_of_term_at(Index index) const {
  return index == base_.index ? index : terms_[range_of(index)].first;
}

std::optional<Position> LogView::newest_not_above(Index index, Term term) const {
  if (index < base_.index) return std::nullopt;
  index = std::min(index, last_);
  if (index > base_.index) {
    for (size_t at = range_of(index) + 1; at-- > 0;) {
      if (terms_[at].term <= term) return Position{index, terms_[at].term};
      index = terms_[at].first.previous();
    }
  }
  return base_.term <= term ? std::optional(base_) : std::nullopt;
}

void LogView::append(const Entry& entry) {
  ENSURE(entry.term >= last_position().term);
  last_ = last_.next();
  if (terms_.empty() || terms_.back().term != entry.term) terms_.push_back({last_, entry.term});
  cached_bytes_ += size_of(entry);
  cache_.push_back(entry);
}

void LogView::truncate_from(Index index) {
  ENSURE(index > base_.index);
  while (last_ >= index) {
    if (!cache_.empty()) {
      cached_bytes_ -= size_of(cache_.back());
      cache_.pop_back();
    }
    last_ = last_.previous();
    if (cache_.empty()) last_ = std::min(last_, index.previous());
  }
  while (!terms_.empty() && terms_.back().first > last_) terms_.pop_back();
}

void LogView::compact_to(Index index) {
  const auto term = term_at(index);
  ENSURE(term.has_value());
  while (!terms_.empty() && (index == last_ || (terms_.size() > 1 && terms_[1].first <= index.next()))) {
    terms_.erase(terms_.begin());
  }
  if (!terms_.empty()) terms_.front().first = index.next();
  base_ = {index, *term};
  while (!cache_.empty() && cached_from() <= index) {
    cached_bytes_ -= size_of(cache_.front());
    cache_.pop_front();
  }
}

void LogView::reset(Position base) { *this = LogView(base, {}, base.index); }

std::vector<Entry> LogView::slice(Index first, Index last, size_t bytes_max, size_t entries_max) const {
  ENSURE(first >= cached_from() && last <= last_);
  std::vector<Entry> result;
  size_t bytes = 0;
  for (Index index = first; index <= last && result.size() < entries_max; index = index.next()) {
    const Entry& entry = cache_[static_cast<size_t>(index.value() - cached_from().value())];
    bytes += size_of(entry);
    if (bytes > bytes_max && !result.empty()) break;
    result.push_back(entry);
  }
  return result;
}

void LogView::evict(Index durable, size_t bytes_max) {
  while (cached_bytes_ > bytes_max && !cache_.empty() && cached_from() <= durable) {
    cached_bytes_ -= size_of(cache_.front());
    cache_.pop_front();
  }
}

}  // namespace millrace::raft
