#include "scores.h"

namespace tokenlense {

Scores::Scores(const Plan& plan, Reduce reduce, const at::Tensor& like) : plan_(plan), reduce_(reduce) {
  std::vector<int64_t> sizes = {static_cast<int64_t>(plan.ids.size()), plan.outputs()};
  if (reduce == Reduce::none) sizes.push_back(like.size(-1));
  values_ = at::zeros(sizes, like.options());
}

void Scores::put(int64_t output, int64_t low, const at::Tensor& value) {
  const at::Tensor reduced = reduce_ == Reduce::l2    ? at::linalg_vector_norm(value, 2, {-1})
                             : reduce_ == Reduce::sum ? value.sum(-1)
                                                      : value;
  values_.narrow(0, low, value.size(0)).select(1, output).copy_(reduced);
}

at::Tensor Scores::finish(const std::string& what) const {
  require_finite(values_.transpose(0, 1).flatten(1).sum(1), plan_, what);
  return values_;
}

}  // namespace tokenlense
