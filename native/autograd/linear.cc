#include "gemm.h"
#include "ragged.h"

// tokenlense::linear(x, w, b): y = x·wᵀ + b with frozen weights; no b where it is none or empty. Its backward gives the input gradient
// only, and saves nothing but w.

namespace tokenlense {
namespace {

class LinearBackward : public RaggedNode {
 public:
  LinearBackward(at::Tensor weight, int64_t length) : weight_(std::move(weight)) { length_ = length; }
  std::string name() const override { return "TokenlenseLinearBackward"; }

  Cotangent ragged(Cotangent g, const Cotangent*) override { return {rows_times(g.rows, weight_), g.layout}; }

 protected:
  at::Tensor product(const at::Tensor& g) override { return rows_times(g, weight_); }

 private:
  at::Tensor weight_;
};

at::Tensor linear_forward(const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& bias) {
  auto shape = x.sizes().vec();
  shape.back() = weight.size(0);
  at::Tensor y = rows_times_transposed(x.reshape({-1, x.size(-1)}), weight).view(shape);
  return bias && bias->numel() > 0 ? y.add_(*bias) : y;
}

at::Tensor linear_autograd(const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& bias) {
  at::Tensor y;
  {
    at::AutoDispatchBelowADInplaceOrView below;
    y = linear_forward(x, weight, bias);
  }
  if (recording(x)) record<LinearBackward>(y, x, weight, x.dim() > 1 ? x.size(-2) : 1);
  return y;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(tokenlense, m) { m.def("linear(Tensor x, Tensor weight, Tensor? bias=None) -> Tensor"); }
TORCH_LIBRARY_IMPL(tokenlense, CompositeExplicitAutograd, m) { m.impl("linear", linear_forward); }
TORCH_LIBRARY_IMPL(tokenlense, Autograd, m) { m.impl("linear", linear_autograd); }

}  // namespace tokenlense
