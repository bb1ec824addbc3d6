#include "activation.h"

#include "gemm.h"
#include "rows.h"

// tokenlense::activation(x, name), by activation_of. tokenlense::softcap(x, cap): cap · tanh(x / cap), as Gemma 2 bounds its logits.

namespace tokenlense {

namespace {

at::Tensor silu_slope(const at::Tensor& z) {  // d silu(z)/dz = σ(z) + z·σ(z)·(1 − σ(z))
  const at::Tensor sigmoid = z.sigmoid();
  return sigmoid + z * sigmoid * (1 - sigmoid);
}

Activation gelu(const char* approximate) {
  return {[=](const at::Tensor& z) { return at::gelu(z, approximate); },
          [=](const at::Tensor& z) { return at::gelu_backward(at::ones_like(z), z, approximate); }};
}

}  // namespace

Activation activation_of(c10::string_view name) {
  if (name == "silu") return {[](const at::Tensor& z) { return at::silu(z); }, silu_slope};
  if (name == "relu")
    return {[](const at::Tensor& z) { return at::relu(z); }, [](const at::Tensor& z) { return (z > 0).to(z.scalar_type()); }};
  if (name == "gelu") return gelu("none");
  if (name == "gelu_tanh") return gelu("tanh");
  TORCH_CHECK(false, "activation: there is no \"", name, "\"");
}

Activation bounded_by(double cap) {
  return {[=](const at::Tensor& z) { return (z / cap).tanh() * cap; }, [=](const at::Tensor& z) { return 1 - (z / cap).tanh().square(); }};
}

at::Tensor slope_by_rules(const Activation& activation, const at::Tensor& z, const at::Tensor& value, Rules rules) {
  if (rules == Rules::deeplift) return secant(pairs_of(z), activation.f, activation.slope);
  const at::Tensor slope = activation.slope(z);
  return rules == Rules::attnlrp ? at::where(z == 0, slope, value / z) : slope;
}

namespace {

TOKENLENSE_VECTORISED void backward_rows(float* out, int64_t pitch, const float* g, const float* slope, int64_t rows, int64_t width) {
  for (int64_t i = 0; i < rows; ++i, out += pitch, g += width, slope += width) {
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) out[j] = g[j] * slope[j];
  }
}

class ActivationBackward : public RaggedNode {
 public:
  // The slope is all that backward needs, and is reused by every output: no exponential in the inner loop.
  ActivationBackward(at::Tensor slope, bool pairs) : slope_(std::move(slope)) {
    length_ = slope_.size(-2);
    pairs_ = pairs;
  }
  std::string name() const override { return "TokenlenseActivationBackward"; }
  int64_t saved_bytes() const override { return static_cast<int64_t>(slope_.nbytes()); }

  Cotangent ragged(Cotangent g, const Cotangent*) override {
    if (!is_cpu_float(g.rows) || !is_cpu_float(slope_)) return RaggedNode::ragged(std::move(g), nullptr);
    const int64_t width = g.rows.size(1);
    Cotangent out{empty_rows(g.layout->rows, width, g.rows.options()), g.layout};
    const int64_t pitch = out.rows.stride(0);
    float* to = out.rows.data_ptr<float>();
    const float *from = g.rows.const_data_ptr<float>(), *slope = slope_.const_data_ptr<float>();
    for_row_runs(*g.layout, length_, 8, [&](int64_t packed, int64_t saved, int64_t rows) {
      backward_rows(to + packed * pitch, pitch, from + packed * width, slope + saved * width, rows, width);
    });
    return out;
  }

 protected:
  at::Tensor product(const at::Tensor& g) override { return g * slope_; }

 private:
  at::Tensor slope_;  // [batch, length, width]
};

at::Tensor elementwise(const at::Tensor& x, const Activation& activation) {
  at::AutoDispatchBelowADInplaceOrView below;
  const at::Tensor z = x.detach();
  at::Tensor y = activation.f(z);
  if (!recording(x)) return y;
  const Rules rules = current_rules();
  record<ActivationBackward>(y, x, slope_by_rules(activation, z, y, rules).contiguous(), rules == Rules::deeplift);
  return y;
}

at::Tensor activation_forward(const at::Tensor& x, c10::string_view name) { return activation_of(name).f(x); }
at::Tensor activation_autograd(const at::Tensor& x, c10::string_view name) { return elementwise(x, activation_of(name)); }
at::Tensor softcap_forward(const at::Tensor& x, double cap) { return bounded_by(cap).f(x); }
at::Tensor softcap_autograd(const at::Tensor& x, double cap) { return elementwise(x, bounded_by(cap)); }

}  // namespace

TORCH_LIBRARY_FRAGMENT(tokenlense, m) {
  m.def("activation(Tensor x, str name) -> Tensor");
  m.def("softcap(Tensor x, float cap) -> Tensor");
}
TORCH_LIBRARY_IMPL(tokenlense, CompositeExplicitAutograd, m) {
  m.impl("activation", activation_forward);
  m.impl("softcap", softcap_forward);
}
TORCH_LIBRARY_IMPL(tokenlense, Autograd, m) {
  m.impl("activation", activation_autograd);
  m.impl("softcap", softcap_autograd);
}

}  // namespace tokenlense
