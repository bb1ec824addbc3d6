#include "norm.h"

#include "gemm.h"
#include "rows.h"

namespace tokenlense {

NormBackward::NormBackward(const at::Tensor& x, at::Tensor weight, const at::Tensor& inverse, Rules rules) : weight_(std::move(weight)) {
  pairs_ = rules == Rules::deeplift;
  if (pairs_) {
    const Pairs r = pairs_of(inverse);
    x_ = mean_of(pairs_of(x));
    scale_ = mean_of(r);
    curve_ = (r.input * r.baseline).square() / scale_;
  } else {
    x_ = x;
    scale_ = inverse;
    curve_ = rules == Rules::attnlrp ? at::zeros_like(inverse) : inverse.pow(3);
  }
  length_ = x_.size(-2);
}

Cotangent NormBackward::ragged(Cotangent g, const Cotangent* residual) {
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

at::Tensor NormBackward::product(const at::Tensor& g) {
  const at::Tensor scaled = g * weight_;
  return scale_ * scaled - x_ * (curve_ * (scaled * x_).mean(-1, true));
}

}  // namespace tokenlense
