#include "norm.h"
#include "rows.h"

// tokenlense::layer_norm(x, weight, bias, epsilon): y = weight · (x − mean) / sqrt(variance + epsilon) + bias, over the last dimension.
// Ba et al. 2016.

namespace tokenlense {
namespace {

// With c = x − mean: dc = scale·(w∘g) − c · curve/d · Σ(w∘g∘c), and dx = dc − mean(dc), where c has no mean of its own; plus the
// residual's cotangent where there is one.
TOKENLENSE_VECTORISED void layer_norm_rows(float* out, const float* g, const float* residual, const float* c, const float* scales,
                                           const float* curves, const float* w, int64_t rows, int64_t width) {
  for (int64_t i = 0; i < rows; ++i, out += width, g += width, c += width) {
    float sum = 0, dot = 0;
#pragma omp simd reduction(+ : sum, dot)
    for (int64_t j = 0; j < width; ++j) {
      sum += g[j] * w[j];
      dot += g[j] * w[j] * c[j];
    }
    const float scale = scales[i], mean = sum / static_cast<float>(width), slope = -dot * curves[i] / static_cast<float>(width);
    if (residual) {
#pragma omp simd
      for (int64_t j = 0; j < width; ++j) out[j] = residual[j] + (scale * (g[j] * w[j] - mean) + slope * c[j]);
      residual += width;
    } else {
#pragma omp simd
      for (int64_t j = 0; j < width; ++j) out[j] = scale * (g[j] * w[j] - mean) + slope * c[j];
    }
  }
}

class LayerNormBackward : public NormBackward {
 public:
  using NormBackward::NormBackward;
  std::string name() const override { return "TokenlenseLayerNormBackward"; }

 protected:
  at::Tensor product(const at::Tensor& g) override {
    const at::Tensor dc = NormBackward::product(g);
    return dc - dc.mean(-1, true);
  }

  void backward_rows(float* out, const float* g, const float* residual, const float* c, const float* scales, const float* curves,
                     const float* w, int64_t rows, int64_t width) const override {
    layer_norm_rows(out, g, residual, c, scales, curves, w, rows, width);
  }
};

at::Tensor centre(const at::Tensor& x) { return (x - x.mean(-1, true)).contiguous(); }
at::Tensor inverse_deviation(const at::Tensor& centred, double epsilon) { return centred.square().mean(-1, true).add_(epsilon).rsqrt_(); }

at::Tensor layer_norm_forward(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double epsilon) {
  const at::Tensor centred = centre(x);
  return (centred * inverse_deviation(centred, epsilon)).mul_(weight).add_(bias);
}

at::Tensor layer_norm_autograd(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double epsilon) {
  at::AutoDispatchBelowADInplaceOrView below;
  const at::Tensor centred = centre(x.detach()), inverse = inverse_deviation(centred, epsilon);
  at::Tensor y = (centred * inverse).mul_(weight).add_(bias);
  if (recording(x)) record<LayerNormBackward>(y, x, centred, weight, inverse, current_rules());
  return y;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(tokenlense, m) { m.def("layer_norm(Tensor x, Tensor weight, Tensor bias, float epsilon) -> Tensor"); }
TORCH_LIBRARY_IMPL(tokenlense, CompositeExplicitAutograd, m) { m.impl("layer_norm", layer_norm_forward); }
TORCH_LIBRARY_IMPL(tokenlense, Autograd, m) { m.impl("layer_norm", layer_norm_autograd); }

}  // namespace tokenlense
