#pragma once
#include "ragged.h"

namespace tokenlense {

/// What the backward pass of a norm goes by: y = weight·x·r with r = 1/sqrt(mean(x²) + epsilon), for layer_norm of the centred input. It
/// is dx = scale·(w∘g) − x · curve/d · Σ(w∘g∘x), and the rules (rules.h) differ in what they save only:
///   gradient  x, scale r, curve r³
///   DeepLIFT  y is a product and r a function of the mean square, whose secant is −r²r₀²/(r + r₀): mean x, scale mean r,
///             curve 2r²r₀²/(r + r₀)
///   AttnLRP   x, scale r, curve 0
struct NormFactors {
  at::Tensor x, scale, curve;
  /// x [batch, length, width]; inverse r [batch, length, …].
  NormFactors(const at::Tensor& x, const at::Tensor& inverse, Rules rules);
  int64_t bytes() const { return static_cast<int64_t>(x.nbytes() + scale.nbytes() + curve.nbytes()); }
};

/// Of a whole row.
class NormBackward : public RaggedNode {
 public:
  /// x [batch, length, width], contiguous; inverse r [batch, length, 1].
  NormBackward(const at::Tensor& x, at::Tensor weight, const at::Tensor& inverse, Rules rules);
  bool joins_residual() const override { return true; }
  int64_t saved_bytes() const override { return factors_.bytes(); }
  Cotangent ragged(Cotangent g, const Cotangent* residual) override;

 protected:
  at::Tensor product(const at::Tensor& g) override;

  /// dx of rows [rows, width] in float32, plus `residual` where that is not null; out may be g. scales, curves: one per row.
  virtual void backward_rows(float* out, const float* g, const float* residual, const float* x, const float* scales, const float* curves,
                             const float* weight, int64_t rows, int64_t width) const = 0;

 private:
  NormFactors factors_;
  at::Tensor weight_;
};

}  // namespace tokenlense
