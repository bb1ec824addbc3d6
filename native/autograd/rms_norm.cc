#include <cmath>

#include "gemm.h"
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

// y and, for each row, 1 / sqrt(mean(x²) + epsilon).
TOKENLENSE_VECTORISED void forward_rows(float* y, float* inverses, const float* x, const float* w, int64_t rows, int64_t width,
                                        double epsilon) {
  for (int64_t i = 0; i < rows; ++i, y += width, x += width) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < width; ++j) sum += static_cast<double>(x[j]) * x[j];
    // Rounded once: its error is that of a whole row.
    const auto inverse = static_cast<float>(1 / std::sqrt(sum / static_cast<double>(width) + epsilon));
    inverses[i] = inverse;
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) y[j] = x[j] * inverse * w[j];
  }
}

struct Normed {
  at::Tensor y, inverse;  // [..., width], [..., 1]
};
Normed normed(const at::Tensor& x, const at::Tensor& weight, double epsilon) {
  if (!is_cpu_float(x) || !is_cpu_float(weight)) {
    const at::Tensor inverse = x.square().mean(-1, true).add_(epsilon).rsqrt_();
    return {x * inverse * weight, inverse};
  }
  const int64_t width = x.size(-1);
  auto by_row = x.sizes().vec();
  by_row.back() = 1;
  Normed result{at::empty_like(x), at::empty(by_row, x.options())};
  const float *from = x.const_data_ptr<float>(), *w = weight.const_data_ptr<float>();
  float *to = result.y.data_ptr<float>(), *inverses = result.inverse.data_ptr<float>();
  at::parallel_for(0, result.inverse.numel(), 16, [&](int64_t begin, int64_t end) {
    forward_rows(to + begin * width, inverses + begin, from + begin * width, w, end - begin, width, epsilon);
  });
  return result;
}

at::Tensor rms_norm_forward(const at::Tensor& x, const at::Tensor& weight, double epsilon) { return normed(x, weight, epsilon).y; }

at::Tensor rms_norm_autograd(const at::Tensor& x, const at::Tensor& weight, double epsilon) {
  at::Tensor saved;
  Normed result;
  {
    at::AutoDispatchBelowADInplaceOrView below;
    saved = x.detach().contiguous();
    result = normed(saved, weight, epsilon);
  }
  if (recording(x)) record<RmsNormBackward>(result.y, x, saved, weight, result.inverse, current_rules());
  return result.y;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(tokenlense, m) { m.def("rms_norm(Tensor x, Tensor weight, float epsilon) -> Tensor"); }
TORCH_LIBRARY_IMPL(tokenlense, CompositeExplicitAutograd, m) { m.impl("rms_norm", rms_norm_forward); }
TORCH_LIBRARY_IMPL(tokenlense, Autograd, m) { m.impl("rms_norm", rms_norm_autograd); }

}  // namespace tokenlense
