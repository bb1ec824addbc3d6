#include "gemm.h"
#include "rows.h"

// tokenlense::gelu(x, approximate): x · Φ(x), Φ by the error function ("none") or by tanh ("tanh", GPT-2's). Hendrycks & Gimpel 2016.

namespace tokenlense {
namespace {

TOKENLENSE_VECTORISED void backward_rows(float* out, int64_t pitch, const float* g, const float* slope, int64_t rows, int64_t width) {
  for (int64_t i = 0; i < rows; ++i, out += pitch, g += width, slope += width) {
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) out[j] = g[j] * slope[j];
  }
}

class GeluBackward : public RaggedNode {
 public:
  // The slope is all that backward needs, and is reused by every output: no exponential in the inner loop.
  GeluBackward(at::Tensor slope, bool pairs) : slope_(std::move(slope)) {
    length_ = slope_.size(-2);
    pairs_ = pairs;
  }
  std::string name() const override { return "TokenlenseGeluBackward"; }
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

at::Tensor gelu_forward(const at::Tensor& x, c10::string_view approximate) { return at::gelu(x, approximate); }

at::Tensor gelu_autograd(const at::Tensor& x, c10::string_view approximate) {
  at::AutoDispatchBelowADInplaceOrView below;
  const at::Tensor z = x.detach();
  at::Tensor y = at::gelu(z, approximate);
  if (!recording(x)) return y;
  const auto f = [&](const at::Tensor& t) { return at::gelu(t, approximate); };
  const auto derivative = [&](const at::Tensor& t) { return at::gelu_backward(at::ones_like(t), t, approximate); };
  const Rules rules = current_rules();
  at::Tensor slope;
  if (rules == Rules::deeplift)
    slope = secant(pairs_of(z), f, derivative);
  else if (rules == Rules::attnlrp)
    slope = at::where(z == 0, 0.5, y / z);  // Φ(z)
  else
    slope = derivative(z);
  record<GeluBackward>(y, x, slope.contiguous(), rules == Rules::deeplift);
  return y;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(tokenlense, m) { m.def("gelu(Tensor x, str approximate) -> Tensor"); }
TORCH_LIBRARY_IMPL(tokenlense, CompositeExplicitAutograd, m) { m.impl("gelu", gelu_forward); }
TORCH_LIBRARY_IMPL(tokenlense, Autograd, m) { m.impl("gelu", gelu_autograd); }

}  // namespace tokenlense
