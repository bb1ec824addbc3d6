#include "strata.h"

#include <cmath>
#include <set>

namespace tokenlense {
namespace {

constexpr int64_t kTicks = 8 * 1594323;  // 8·3¹³: strata have middles, and can be cut 13 times

std::vector<double> values_of(const at::Tensor& row) {
  const at::Tensor values = row.to(at::kDouble).cpu().contiguous();
  return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel()};
}

void add_thirds(const Stratum& stratum, std::vector<Stratum>& to) {
  const int64_t third = (stratum.high - stratum.low) / 3;
  for (int64_t i = 0; i < 3; ++i) to.push_back({stratum.low + i * third, stratum.low + (i + 1) * third});
}

}  // namespace

double place_of(int64_t tick) { return static_cast<double>(tick) / kTicks; }

double Stratum::width() const { return static_cast<double>(high - low) / kTicks; }

Strata::Strata(const at::Tensor& at_baseline, const at::Tensor& at_input, int64_t most) : most_(most) {
  known_[0] = values_of(at_baseline);
  known_[kTicks] = values_of(at_input);
  const int64_t count = most >= 4 ? 4 : most >= 2 ? 2 : 1;
  std::vector<Stratum> strata;
  for (int64_t i = 0; i < count; ++i) strata.push_back({i * kTicks / count, (i + 1) * kTicks / count});
  open_.assign(known_[0].size(), strata);
}

std::vector<int64_t> Strata::wanted() const {
  std::set<int64_t> ticks;
  for (const auto& strata : open_)
    for (const auto& stratum : strata)
      for (const int64_t tick : {stratum.low, stratum.high})
        if (!known_.contains(tick)) ticks.insert(tick);
  return {ticks.begin(), ticks.end()};
}

void Strata::learn(const std::vector<int64_t>& ticks, const at::Tensor& values) {
  for (size_t i = 0; i < ticks.size(); ++i) known_[ticks[i]] = values_of(values[static_cast<int64_t>(i)]);
}

double Strata::change(int64_t function, const Stratum& stratum) const {
  return known_.at(stratum.high)[function] - known_.at(stratum.low)[function];
}

bool Strata::cut_by_change(double share) {
  bool any = false;
  for (size_t f = 0; f < open_.size(); ++f) {
    const auto function = static_cast<int64_t>(f);
    double variation = 0;
    for (const auto& stratum : open_[f]) variation += std::abs(change(function, stratum));
    std::vector<Stratum> strata;
    auto count = static_cast<int64_t>(open_[f].size());
    for (const auto& stratum : open_[f]) {
      // What a stratum's one node misses goes up with its width as with its change.
      const bool large = std::abs(change(function, stratum)) * stratum.width() * 4 > share * variation;
      if (!large || !stratum.divisible() || count + 2 > most_) {
        strata.push_back(stratum);
        continue;
      }
      add_thirds(stratum, strata);
      count += 2;
      any = true;
    }
    open_[f] = std::move(strata);
  }
  return any;
}

void Strata::reopen(int64_t function, const std::vector<Stratum>& strata) {
  open_[function].clear();
  for (const auto& stratum : strata) add_thirds(stratum, open_[function]);
}

bool Strata::any_open(int64_t from, int64_t count) const {
  return std::any_of(open_.begin() + from, open_.begin() + from + count, [](const auto& strata) { return !strata.empty(); });
}

}  // namespace tokenlense
