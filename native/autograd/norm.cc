#include "norm.h"

#include "gemm.h"
#include "rows.h"

namespace tokenlense {

NormFactors::NormFactors(const at::Tensor& input, const at::Tensor& inverse, Rules rules) {
  if (rules == Rules::deeplift) {
    const Pairs r = pairs_of(inverse);
    x = mean_of(pairs_of(input));
    scale = mean_of(r);
    curve = (r.input * r.baseline).square() / scale;
  } else {
    x = input;
    scale = inverse;
    curve = rules == Rules::attnlrp ? at::zeros_like(inverse) : inverse.pow(3);
  }
}

NormBackward::NormBackward(const at::Tensor& x, at::Tensor weight, const at::Tensor& inverse, Rules rules)
    : factors_(x, inverse, rules), weight_(std::move(weight)) {
  pairs_ = rules == Rules::deeplift;
  length_ = factors_.x.size(-2);
}

Cotangent NormBackward::ragged(Cotangent g, const Cotangent* residual) {
  if (!is_cpu_float(g.rows) || !is_cpu_float(factors_.x)) return RaggedNode::ragged(std::move(g), residual);
  const int64_t width = g.rows.size(1);
  const bool own = g.rows.use_count() == 1;
  Cotangent out{own ? g.rows : at::empty_like(g.rows), g.layout};
  float* to = out.rows.data_ptr<float>();
  const float *from = g.rows.const_data_ptr<float>(), *add = residual ? residual->rows.const_data_ptr<float>() : nullptr;
  const float *x = factors_.x.const_data_ptr<float>(), *w = weight_.const_data_ptr<float>();
  const float *scale = factors_.scale.const_data_ptr<float>(), *curve = factors_.curve.const_data_ptr<float>();
  for_row_runs(*g.layout, length_, 16, [&](int64_t packed, int64_t saved, int64_t rows) {
    backward_rows(to + packed * width, from + packed * width, add ? add + packed * width : nullptr, x + saved * width, scale + saved,
                  curve + saved, w, rows, width);
  });
  return out;
}

at::Tensor NormBackward::product(const at::Tensor& g) {
  const at::Tensor scaled = g * weight_;
  return factors_.scale * scaled - factors_.x * (factors_.curve * (scaled * factors_.x).mean(-1, true));
}

}  // namespace tokenlense
