#include "norm.h"
#include "rows.h"

// tokenlense::rms_norm(x, weight, epsilon): y = weight · x / sqrt(mean(x²) + epsilon), over the last dimension. Zhang & Sennrich 2019.

namespace tokenlense {
namespace {

// dx = scale·(w∘g) − x · curve/d · Σ(w∘g∘x); plus the residual's cotangent where there is one.
TOKENLENSE_VECTORISED void rms_norm_rows(float* out, const float* g, const float* residual, const float* x, const float* scales,
                                         const float* curves, const float* w, int64_t rows, int64_t width) {
  for (int64_t i = 0; i < rows; ++i, out += width, g += width, x += width) {
    float dot = 0;
#pragma omp simd reduction(+ : dot)
    for (int64_t j = 0; j < width; ++j) dot += g[j] * w[j] * x[j];
    const float scale = scales[i], slope = -dot * curves[i] / static_cast<float>(width);
    if (residual) {
#pragma omp simd
      for (int64_t j = 0; j < width; ++j) out[j] = residual[j] + (scale * (g[j] * w[j]) + slope * x[j]);
      residual += width;
    } else {
#pragma omp simd
      for (int64_t j = 0; j < width; ++j) out[j] = scale * (g[j] * w[j]) + slope * x[j];
    }
  }
}

class RmsNormBackward : public NormBackward {
 public:
  using NormBackward::NormBackward;
  std::string name() const override { return "TokenlenseRmsNormBackward"; }

 protected:
  void backward_rows(float* out, const float* g, const float* residual, const float* x, const float* scales, const float* curves,
                     const float* w, int64_t rows, int64_t width) const override {
    rms_norm_rows(out, g, residual, x, scales, curves, w, rows, width);
  }
};

at::Tensor inverse_rms(const at::Tensor& x, double epsilon) { return x.square().mean(-1, true).add_(epsilon).rsqrt_(); }

at::Tensor rms_norm_forward(const at::Tensor& x, const at::Tensor& weight, double epsilon) { return x * inverse_rms(x, epsilon) * weight; }

at::Tensor rms_norm_autograd(const at::Tensor& x, const at::Tensor& weight, double epsilon) {
  at::Tensor y, inverse, saved;
  {
    at::AutoDispatchBelowADInplaceOrView below;
    saved = x.detach().contiguous();
    inverse = inverse_rms(saved, epsilon);
    y = saved * inverse * weight;
  }
  if (recording(x)) record<RmsNormBackward>(y, x, saved, weight, inverse, current_rules());
  return y;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(tokenlense, m) { m.def("rms_norm(Tensor x, Tensor weight, float epsilon) -> Tensor"); }
TORCH_LIBRARY_IMPL(tokenlense, CompositeExplicitAutograd, m) { m.impl("rms_norm", rms_norm_forward); }
TORCH_LIBRARY_IMPL(tokenlense, Autograd, m) { m.impl("rms_norm", rms_norm_autograd); }

}  // namespace tokenlense
