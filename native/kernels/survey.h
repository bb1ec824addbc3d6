#pragma once
#include "../pch.h"

namespace tokenlense {

/// Finds, from values alone, where on [0, 1] functions change.
class Survey {
 public:
  Survey();
  bool done() const { return wanted_.empty(); }
  /// The points whose values are asked for next.
  const std::vector<double>& wanted() const { return wanted_; }
  /// values [wanted, functions] float64
  void add(const at::Tensor& values);
  /// Borders 0 … 1 of `count` strata: narrow where the functions change, wide where they do not.
  std::vector<double> strata(int64_t count) const;

 private:
  std::vector<double> changes() const;
  std::vector<double> points_, wanted_;  // ascending
  at::Tensor values_;                    // [points, functions]
};

std::vector<double> cut_in_three(const std::vector<double>& borders);

}  // namespace tokenlense
