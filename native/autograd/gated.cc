#include "gated.h"

#include "gemm.h"
#include "rows.h"

// tokenlense::gated(gate_up, activation), by activation_of.

namespace tokenlense {

at::Tensor gated(const at::Tensor& gate_up, const Activation& activation) {
  const auto halves = gate_up.chunk(2, -1);
  return activation.f(halves[0]).mul_(halves[1]);
}

GatedFactors gated_by_rules(const at::Tensor& gate_up, const Activation& activation, Rules rules) {
  const auto halves = gate_up.chunk(2, -1);
  const at::Tensor &gate = halves[0], &up = halves[1], value = activation.f(gate), slope = slope_by_rules(activation, gate, value, rules);
  // A product goes by the mean of the other factor; half to each factor; the derivative.
  if (rules == Rules::deeplift) return {value * up, slope * mean_of(pairs_of(up)), mean_of(pairs_of(value))};
  if (rules == Rules::attnlrp) return {value * up, (slope * up).mul_(0.5), value * 0.5};
  return {value * up, slope * up, value};
}

namespace {

TOKENLENSE_VECTORISED void backward_rows(float* out, int64_t pitch, const float* g, const float* by_gate, const float* by_up, int64_t rows,
                                         int64_t hidden) {
  for (int64_t i = 0; i < rows; ++i, out += pitch, g += hidden, by_gate += hidden, by_up += hidden) {
#pragma omp simd
    for (int64_t j = 0; j < hidden; ++j) {
      out[j] = g[j] * by_gate[j];
      out[hidden + j] = g[j] * by_up[j];
    }
  }
}

class GatedBackward : public RaggedNode {
 public:
  // The two factors are all that backward needs, and are reused by every output: no exponential in the inner loop.
  GatedBackward(at::Tensor by_gate, at::Tensor by_up, bool pairs) : by_gate_(std::move(by_gate)), by_up_(std::move(by_up)) {
    length_ = by_up_.size(-2);
    pairs_ = pairs;
  }
  std::string name() const override { return "TokenlenseGatedBackward"; }
  int64_t saved_bytes() const override { return static_cast<int64_t>(by_gate_.nbytes() + by_up_.nbytes()); }

  Cotangent ragged(Cotangent g, const Cotangent*) override {
    if (!is_cpu_float(g.rows) || !is_cpu_float(by_gate_)) return RaggedNode::ragged(std::move(g), nullptr);
    const int64_t hidden = g.rows.size(1);
    Cotangent out{empty_rows(g.layout->rows, 2 * hidden, g.rows.options()), g.layout};
    const int64_t pitch = out.rows.stride(0);
    float* to = out.rows.data_ptr<float>();
    const float *from = g.rows.const_data_ptr<float>(), *gate = by_gate_.const_data_ptr<float>(), *up = by_up_.const_data_ptr<float>();
    for_row_runs(*g.layout, length_, 8, [&](int64_t packed, int64_t saved, int64_t rows) {
      backward_rows(to + packed * pitch, pitch, from + packed * hidden, gate + saved * hidden, up + saved * hidden, rows, hidden);
    });
    return out;
  }

 protected:
  at::Tensor product(const at::Tensor& g) override { return at::cat({g * by_gate_, g * by_up_}, -1); }

 private:
  at::Tensor by_gate_, by_up_;  // [batch, length, hidden]
};

at::Tensor gated_forward(const at::Tensor& gate_up, c10::string_view name) { return gated(gate_up, activation_of(name)); }

at::Tensor gated_autograd(const at::Tensor& gate_up, c10::string_view name) {
  at::AutoDispatchBelowADInplaceOrView below;
  if (!recording(gate_up)) return gated_forward(gate_up, name);
  const Rules rules = current_rules();
  const GatedFactors factors = gated_by_rules(gate_up.detach(), activation_of(name), rules);
  at::Tensor y = factors.value;
  record<GatedBackward>(y, gate_up, factors.by_gate, factors.by_up, rules == Rules::deeplift);
  return y;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(tokenlense, m) { m.def("gated(Tensor gate_up, str activation) -> Tensor"); }
TORCH_LIBRARY_IMPL(tokenlense, CompositeExplicitAutograd, m) { m.impl("gated", gated_forward); }
TORCH_LIBRARY_IMPL(tokenlense, Autograd, m) { m.impl("gated", gated_autograd); }

}  // namespace tokenlense
