#include "rules.h"

namespace tokenlense {
namespace {
thread_local Rules current = Rules::gradient;
}

Rules current_rules() { return current; }

RulesGuard::RulesGuard(Rules rules) : before_(current) { current = rules; }
RulesGuard::~RulesGuard() { current = before_; }

Pairs pairs_of(const at::Tensor& batch) {
  TORCH_CHECK(batch.dim() == 3 && batch.size(0) % 2 == 0, "DeepLIFT's forward needs a batch of inputs and their baselines");
  const int64_t n = batch.size(0) / 2;
  return {batch.narrow(0, 0, n), batch.narrow(0, n, n)};
}

at::Tensor secant(const Pairs& z, const std::function<at::Tensor(const at::Tensor&)>& f,
                  const std::function<at::Tensor(const at::Tensor&)>& slope) {
  const at::Tensor input = z.input.to(at::kDouble), baseline = z.baseline.to(at::kDouble), apart = input - baseline;
  const at::Tensor equal = apart.abs() < 1e-6 * (1 + input.abs());
  const at::Tensor ratio = (f(input) - f(baseline)) / apart.masked_fill(equal, 1);
  return at::where(equal, slope((input + baseline) / 2), ratio).to(z.input.scalar_type());
}

at::Tensor input_half(const at::Tensor& g) { return g.narrow(-3, 0, g.size(-3) / 2); }
at::Tensor with_zero_half(const at::Tensor& gradient) { return at::cat({gradient, at::zeros_like(gradient)}, -3); }

}  // namespace tokenlense
