#include "gemm.h"
#include "rows.h"

// tokenlense::layer_norm(x, weight, bias, epsilon): y = weight · (x − mean) / sqrt(variance + epsilon) + bias, over the last dimension.
// Ba et al. 2016.

namespace tokenlense {
namespace {

// With c = x − mean: dc = scale·(w∘g) − c · curve/d · Σ(w∘g∘c), and dx = dc − mean(dc), where c has no mean of its own; plus the
// residual's cotangent where there is one.
TOKENLENSE_VECTORISED void backward_rows(float* out, const float* g, const float* residual, const float* c, const float* scales,
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

// With r = 1/sqrt(variance + epsilon), as rms_norm's:
//   gradient  c, scale r, curve r³
//   DeepLIFT  mean c, scale mean r, curve 2r²r₀²/(r + r₀)
//   AttnLRP   c, scale r, curve 0
class LayerNormBackward : public RaggedNode {
 public:
  LayerNormBackward(at::Tensor centred, at::Tensor weight, const at::Tensor& inverse, Rules rules) : weight_(std::move(weight)) {
    pairs_ = rules == Rules::deeplift;
    if (pairs_) {
      const Pairs r = pairs_of(inverse);
      centred_ = mean_of(pairs_of(centred));
      scale_ = mean_of(r);
      curve_ = (r.input * r.baseline).square() / scale_;
    } else {
      centred_ = std::move(centred);
      scale_ = inverse;
      curve_ = rules == Rules::attnlrp ? at::zeros_like(inverse) : inverse.pow(3);
    }
    length_ = centred_.size(-2);
  }
  std::string name() const override { return "TokenlenseLayerNormBackward"; }
  bool joins_residual() const override { return true; }
  int64_t saved_bytes() const override { return static_cast<int64_t>(centred_.nbytes() + scale_.nbytes() + curve_.nbytes()); }

  Cotangent ragged(Cotangent g, const Cotangent* residual) override {
    if (!is_cpu_float(g.rows) || !is_cpu_float(centred_)) return RaggedNode::ragged(std::move(g), residual);
    const int64_t width = g.rows.size(1);
    const bool own = g.rows.use_count() == 1;
    Cotangent out{own ? g.rows : at::empty_like(g.rows), g.layout};
    float* to = out.rows.data_ptr<float>();
    const float *from = g.rows.const_data_ptr<float>(), *add = residual ? residual->rows.const_data_ptr<float>() : nullptr;
    const float *c = centred_.const_data_ptr<float>(), *w = weight_.const_data_ptr<float>();
    const float *scale = scale_.const_data_ptr<float>(), *curve = curve_.const_data_ptr<float>();
    for_row_runs(*g.layout, length_, 16, [&](int64_t packed, int64_t saved, int64_t rows) {
      backward_rows(to + packed * width, from + packed * width, add ? add + packed * width : nullptr, c + saved * width, scale + saved,
                    curve + saved, w, rows, width);
    });
    return out;
  }

 protected:
  at::Tensor product(const at::Tensor& g) override {
    const at::Tensor scaled = g * weight_;
    const at::Tensor dc = scale_ * scaled - centred_ * (curve_ * (scaled * centred_).mean(-1, true));
    return dc - dc.mean(-1, true);
  }

 private:
  at::Tensor centred_, weight_, scale_, curve_;  // scale, curve [batch, length, 1]
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
