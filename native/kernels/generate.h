#pragma once
#include "../model.h"

namespace tokenlense {

struct GenerationPlan {
  std::vector<int64_t> ids;
  int64_t max_new_tokens;
  double temperature;  // 0: greedy
  int64_t top_k;       // 0: no limit
  double top_p;        // 1: no limit
  uint64_t seed;
  std::vector<int64_t> stop_tokens;
};

/// The new tokens only, of each text; each ends before a stop token. All texts stand at the same position at any time: what the longer
/// prompts have beyond the shortest is read token by token while the shorter ones go on.
std::vector<std::vector<int64_t>> generate(const Model& model, const std::vector<GenerationPlan>& plans, TaskContext& context);

}  // namespace tokenlense
