#include "plan.h"

#include "../error.h"

namespace tokenlense {

std::string Plan::output_name(int64_t output) const {
  const int64_t position = prompt_length + output;
  return "output " + std::to_string(outputs_before + output) + " (position " + std::to_string(position) + ", token id " +
         std::to_string(ids[position]) + ")";
}

void require_finite(const at::Tensor& per_output, const Plan& plan, const std::string& what) {
  const at::Tensor finite = at::isfinite(per_output).cpu();
  if (finite.all().item<bool>()) return;
  const bool* good = finite.const_data_ptr<bool>();
  int64_t bad = 0;
  while (good[bad]) ++bad;
  throw Error(
      "NON_FINITE", what + " is not finite at " + plan.output_name(bad) + ", step function \"" + plan.step->name() + "\".",
      "A step function that divides by or takes the logarithm of a vanishing probability does this; try \"probability\" or \"logit\".");
}

void require_memory(int64_t least, int64_t budget, const Plan& plan) {
  if (least <= budget) return;
  auto mebibytes = [](int64_t bytes) { return std::to_string((bytes + (1 << 20) - 1) >> 20) + " MiB"; };  // rounded up
  throw Error("MEMORY",
              "Attributing " + std::to_string(plan.ids.size()) + " tokens needs at least " + mebibytes(least) +
                  " of working memory; the budget is " + mebibytes(budget) + ".",
              "Give a memoryBudget of " + mebibytes(least) + " or more, or a shorter text.");
}

}  // namespace tokenlense
