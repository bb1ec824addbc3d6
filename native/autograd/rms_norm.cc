#include <cmath>

#include "gemm.h"
#include "rows.h"

// tokenlense::rms_norm(x, weight, epsilon): y = weight · x / sqrt(mean(x²) + epsilon), over the last dimension. Zhang & Sennrich 2019.

namespace tokenlense {
namespace {

// dx = scale·(w∘g) − x · curve/d · Σ(w∘g∘x); plus the residual's cotangent where there is one.
TOKENLENSE_VECTORISED void backward_rows(float* out, const float* g, const float* residual, const float* x, const float* scales,
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

// With r = 1/rms, the three rules differ in what they save only (rules.h):
//   gradient  x, scale r, curve r³
//   DeepLIFT  y = w·x·r is a product and r a function of the mean square, whose secant is −r²r₀²/(r + r₀): mean x, scale mean r,
//             curve 2r²r₀²/(r + r₀)
//   AttnLRP   x, scale r, curve 0
class RmsNormBackward : public RaggedNode {
 public:
  RmsNormBackward(at::Tensor x, at::Tensor weight, const at::Tensor& inverse, Rules rules) : weight_(std::move(weight)) {
    pairs_ = rules == Rules::deeplift;
    if (pairs_) {
      const Pairs r = pairs_of(inverse);
      x_ = mean_of(pairs_of(x));
      scale_ = mean_of(r);
      curve_ = (r.input * r.baseline).square() / scale_;
    } else {
      x_ = std::move(x);
      scale_ = inverse;
      curve_ = rules == Rules::attnlrp ? at::zeros_like(inverse) : inverse.pow(3);
    }
    length_ = x_.size(-2);
  }
  std::string name() const override { return "TokenlenseRmsNormBackward"; }
  bool joins_residual() const override { return true; }
  int64_t saved_bytes() const override { return static_cast<int64_t>(x_.nbytes() + scale_.nbytes() + curve_.nbytes()); }

  Cotangent ragged(Cotangent g, const Cotangent* residual) override {
    if (!is_cpu_float(g.rows) || !is_cpu_float(x_)) return RaggedNode::ragged(std::move(g), residual);
    const int64_t width = g.rows.size(1);
    const bool own = g.rows.use_count() == 1;
    Cotangent out{own ? g.rows : at::empty_like(g.rows), g.layout};
    float* to = out.rows.data_ptr<float>();
    const float *from = g.rows.const_data_ptr<float>(), *add = residual ? residual->rows.const_data_ptr<float>() : nullptr;
    const float *x = x_.const_data_ptr<float>(), *w = weight_.const_data_ptr<float>();
    const float *scale = scale_.const_data_ptr<float>(), *curve = curve_.const_data_ptr<float>();
    for_row_runs(*g.layout, length_, 16, [&](int64_t packed, int64_t saved, int64_t rows) {
      backward_rows(to + packed * width, from + packed * width, add ? add + packed * width : nullptr, x + saved * width, scale + saved,
                    curve + saved, w, rows, width);
    });
    return out;
  }

 protected:
  at::Tensor product(const at::Tensor& g) override {
    const at::Tensor scaled = g * weight_;
    return scale_ * scaled - x_ * (curve_ * (scaled * x_).mean(-1, true));
  }

 private:
  at::Tensor x_, weight_, scale_, curve_;  // scale, curve [batch, length, 1]
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
