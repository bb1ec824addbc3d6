#pragma once
#include <map>

#include "../pch.h"

namespace tokenlense {

/// A piece of the line from baseline to input. In ticks, so that borders and middles are the same numbers whoever asks for them.
struct Stratum {
  int64_t low = 0, high = 0;
  double width() const;
  int64_t middle() const { return (low + high) / 2; }
  bool divisible() const { return (high - low) % 3 == 0; }
};

/// Where on the line a tick lies, 0 to 1.
double place_of(int64_t tick);

/// The line cut into strata for each function (a step function at one output) by itself: narrow where it changes, wide where it does not.
/// Functions share borders, being cut into thirds of thirds of the same four, so that one forward pass serves many of them.
class Strata {
 public:
  /// Values [functions] at both ends. No function gets more than `most` strata before it asks for it.
  Strata(const at::Tensor& at_baseline, const at::Tensor& at_input, int64_t most);

  /// Ticks where values are asked for; then values [ticks, functions] there.
  std::vector<int64_t> wanted() const;
  void learn(const std::vector<int64_t>& ticks, const at::Tensor& values);

  /// Cuts strata in which more than `share` of their function's variation lies, a quarter of the line being allowed that much, a narrower
  /// stratum more. True where something was cut, so that more is to be learned.
  bool cut_by_change(double share);

  /// A function's strata that have no node yet.
  const std::vector<Stratum>& open(int64_t function) const { return open_[function]; }
  /// They are done with; these are cut into thirds, which are open now.
  void reopen(int64_t function, const std::vector<Stratum>& strata);
  bool any_open(int64_t from, int64_t count) const;

  /// By how much the function changes over the stratum.
  double change(int64_t function, const Stratum& stratum) const;

 private:
  int64_t most_;
  std::vector<std::vector<Stratum>> open_;        // by function
  std::map<int64_t, std::vector<double>> known_;  // by tick, values by function
};

}  // namespace tokenlense
