#pragma once
#include "perturbation.h"

// A model with two sets of positions (LongRoPE) reads a text of more than Model::long_after() tokens by the other set, all of it: what it
// computed for the text's beginning holds no longer. So outputs with so many tokens before them and outputs with more are attributed
// apart, each as the model read what stands before it.

namespace tokenlense {

/// How many of the first outputs are on this side of the switch; 0 where all are on one side.
int64_t outputs_before_switch(const Model& model, const Plan& plan);

/// The first `count` outputs of a plan, and the others.
template <class Kind>
std::pair<Kind, Kind> split(const Kind& plan, int64_t count);

/// Results of both, as of the whole plan, `count` of whose outputs are in the first.
AttributionResult joined(const Plan& plan, int64_t count, AttributionResult first, AttributionResult rest);
AttributionResult joined(const PerturbationPlan& plan, int64_t count, AttributionResult first, AttributionResult rest);

/// One half of a task.
class HalfContext : public TaskContext {
 public:
  HalfContext(TaskContext& whole, int64_t half) : whole_(whole), half_(half) {}
  void step(int64_t done, int64_t total) override { whole_.step(half_ * total + done, 2 * total); }
  void check() const override { whole_.check(); }

 private:
  TaskContext& whole_;
  int64_t half_;  // 0 or 1
};

// ---- what is particular to a kind of plan -----------------------------------------------------------------------------

void split_kind(const Plan& plan, Plan& first, Plan& rest);
void split_kind(const PerturbationPlan& plan, PerturbationPlan& first, PerturbationPlan& rest);
void split_common(const Plan& plan, int64_t count, Plan& first, Plan& rest);

template <class Kind>
std::pair<Kind, Kind> split(const Kind& plan, int64_t count) {
  std::pair<Kind, Kind> halves = {plan, plan};
  split_common(plan, count, halves.first, halves.second);
  split_kind(plan, halves.first, halves.second);
  return halves;
}

}  // namespace tokenlense
