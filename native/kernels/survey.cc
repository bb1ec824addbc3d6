#include "survey.h"

#include <algorithm>
#include <cmath>

namespace tokenlense {
namespace {

// A look at 17 places, then twice at the eight where most changes or least is known. A function's change counts as a share of its own.
constexpr int64_t kFirstLook = 17, kNextLook = 8, kPoints = 33;
constexpr double kWidthCounts = 0.3;
// The midpoint rule errs by the third power of a stratum's width: density goes up less than change does. Some strata must also go where
// nothing was seen to change: scores of single dimensions may change where their sum does not.
constexpr double kPower = 0.5, kEverywhere = 0.15;

}  // namespace

Survey::Survey() {
  for (int64_t i = 0; i < kFirstLook; ++i) wanted_.push_back(static_cast<double>(i) / (kFirstLook - 1));
}

void Survey::add(const at::Tensor& values) {
  std::vector<double> all = points_;
  all.insert(all.end(), wanted_.begin(), wanted_.end());
  const at::Tensor joined = values_.defined() ? at::cat({values_, values}) : values;
  std::vector<int64_t> order(all.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return all[a] < all[b]; });
  values_ = joined.index_select(0, at::tensor(order, at::kLong));
  points_.clear(), wanted_.clear();
  for (const int64_t i : order) points_.push_back(all[i]);
  if (static_cast<int64_t>(points_.size()) >= kPoints) return;
  std::vector<double> urgency = changes();
  for (size_t i = 0; i < urgency.size(); ++i) urgency[i] += kWidthCounts * (points_[i + 1] - points_[i]);
  for (int64_t look = 0; look < kNextLook; ++look) {
    const auto most = std::max_element(urgency.begin(), urgency.end());
    const size_t i = most - urgency.begin();
    wanted_.push_back((points_[i] + points_[i + 1]) / 2);
    *most = -1;
  }
  std::sort(wanted_.begin(), wanted_.end());
}

// Of each interval: mean over functions of its share of the function's whole variation.
std::vector<double> Survey::changes() const {
  const at::Tensor steps = values_.diff(1, 0).abs();
  const at::Tensor shares = (steps / steps.sum(0, true).clamp_min(1e-300)).mean(1).contiguous();
  const double* share = shares.const_data_ptr<double>();
  return {share, share + shares.numel()};
}

std::vector<double> Survey::strata(int64_t count) const {
  const std::vector<double> change = changes();
  std::vector<double> mass(change.size());
  double total = 0;
  for (size_t i = 0; i < mass.size(); ++i) {
    const double width = points_[i + 1] - points_[i];
    total += mass[i] = std::pow(change[i] / width, kPower) * width;
  }
  std::vector<double> cumulated = {0};
  for (size_t i = 0; i < mass.size(); ++i) {
    const double width = points_[i + 1] - points_[i];
    cumulated.push_back(cumulated.back() + (total > 0 ? (1 - kEverywhere) * mass[i] / total + kEverywhere * width : width));
  }
  std::vector<double> borders = {0};
  size_t i = 0;
  for (int64_t k = 1; k < count; ++k) {
    const double wanted = cumulated.back() * static_cast<double>(k) / static_cast<double>(count);
    while (cumulated[i + 1] < wanted) ++i;
    borders.push_back(points_[i] + (points_[i + 1] - points_[i]) * (wanted - cumulated[i]) / (cumulated[i + 1] - cumulated[i]));
  }
  borders.push_back(1);
  return borders;
}

std::vector<double> cut_in_three(const std::vector<double>& borders) {
  std::vector<double> cut = {borders.front()};
  for (size_t i = 0; i + 1 < borders.size(); ++i) {
    const double width = borders[i + 1] - borders[i];
    cut.insert(cut.end(), {borders[i] + width / 3, borders[i] + 2 * width / 3, borders[i + 1]});
  }
  return cut;
}

}  // namespace tokenlense
