#include "gemm.h"
#include "norm.h"
#include "rows.h"

// tokenlense::rms_norm_parts(x, weight, parts, epsilon): RMS norm of runs of columns, each by itself: `parts` are their widths, from the
// first column on; columns after them stay. Query and key norms: of each head (Qwen 3, Gemma 3), of all queries and all keys (OLMo 2).
// tokenlense::layer_norm_parts(…): likewise layer norms without biases, of each head (StableLM 2 12B).

namespace tokenlense {
namespace {

using Parts = std::vector<int64_t>;

int64_t columns_of(at::IntArrayRef parts) {
  int64_t sum = 0;
  for (const int64_t part : parts) sum += part;
  return sum;
}

// Of each part: dx = scale·(w∘g) − x · curve/d · Σ(w∘g∘x), as norm.h has it, and where x is centred less its mean. x [columns], scales and
// curves [parts] per row.
TOKENLENSE_VECTORISED void part_norm_row(float* out, const float* g, const float* x, const float* w, const float* scales,
                                         const float* curves, const int64_t* parts, int64_t count, bool centred) {
  for (int64_t p = 0; p < count; ++p) {
    const int64_t width = parts[p];
    float sum = 0, dot = 0;
#pragma omp simd reduction(+ : sum, dot)
    for (int64_t j = 0; j < width; ++j) {
      sum += g[j] * w[j];
      dot += g[j] * w[j] * x[j];
    }
    const float scale = scales[p], slope = -dot * curves[p] / static_cast<float>(width);
    const float mean = centred ? sum / static_cast<float>(width) : 0;
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) out[j] = scale * (g[j] * w[j] - mean) + slope * x[j];
    out += width, g += width, x += width, w += width;
  }
}

class PartNormBackward : public RaggedNode {
 public:
  /// x [batch, length, columns] and inverse [batch, length, parts], contiguous.
  PartNormBackward(const at::Tensor& x, at::Tensor weight, const at::Tensor& inverse, Parts parts, bool centred, Rules rules)
      : factors_(x, inverse, rules), weight_(std::move(weight)), parts_(std::move(parts)), centred_(centred) {
    pairs_ = rules == Rules::deeplift;
    length_ = factors_.x.size(-2);
  }
  std::string name() const override { return "TokenlensePartNormBackward"; }
  int64_t saved_bytes() const override { return factors_.bytes(); }

  Cotangent ragged(Cotangent g, const Cotangent*) override {
    if (!is_cpu_float(g.rows) || !is_cpu_float(factors_.x)) return RaggedNode::ragged(std::move(g), nullptr);
    const int64_t width = g.rows.size(1), columns = factors_.x.size(-1), count = static_cast<int64_t>(parts_.size());
    Cotangent out{g.rows.use_count() == 1 ? g.rows : g.rows.clone(), g.layout};
    float* rows = out.rows.data_ptr<float>();
    const float *x = factors_.x.const_data_ptr<float>(), *w = weight_.const_data_ptr<float>();
    const float *scale = factors_.scale.const_data_ptr<float>(), *curve = factors_.curve.const_data_ptr<float>();
    for_row_runs(*g.layout, length_, 16, [&](int64_t packed, int64_t saved, int64_t n) {
      for (int64_t i = 0; i < n; ++i) {
        float* row = rows + (packed + i) * width;
        part_norm_row(row, row, x + (saved + i) * columns, w, scale + (saved + i) * count, curve + (saved + i) * count, parts_.data(),
                      count, centred_);
      }
    });
    return out;
  }

 protected:
  at::Tensor product(const at::Tensor& g) override {
    const int64_t columns = factors_.x.size(-1);
    const auto gs = g.narrow(-1, 0, columns).split_with_sizes(parts_, -1), xs = factors_.x.split_with_sizes(parts_, -1);
    const auto weights = weight_.split_with_sizes(parts_, -1);
    std::vector<at::Tensor> out;
    for (size_t p = 0; p < parts_.size(); ++p) {
      const auto part = static_cast<int64_t>(p);
      const at::Tensor scaled = gs[p] * weights[p];
      const at::Tensor dx =
          factors_.scale.narrow(-1, part, 1) * scaled - xs[p] * (factors_.curve.narrow(-1, part, 1) * (scaled * xs[p]).mean(-1, true));
      out.push_back(centred_ ? dx - dx.mean(-1, true) : dx);
    }
    out.push_back(g.narrow(-1, columns, g.size(-1) - columns));
    return at::cat(out, -1);
  }

 private:
  NormFactors factors_;
  at::Tensor weight_;
  Parts parts_;
  bool centred_;
};

at::Tensor inverse_of_parts(const at::Tensor& x, at::IntArrayRef parts, double epsilon) {
  std::vector<at::Tensor> inverse;
  for (const at::Tensor& part : x.split_with_sizes(parts, -1)) inverse.push_back(part.square().mean(-1, true).add_(epsilon).rsqrt_());
  return at::cat(inverse, -1);
}

at::Tensor centre_parts(const at::Tensor& x, at::IntArrayRef parts) {
  std::vector<at::Tensor> centred;
  for (const at::Tensor& part : x.split_with_sizes(parts, -1)) centred.push_back(part - part.mean(-1, true));
  return at::cat(centred, -1);
}

at::Tensor part_norm(const at::Tensor& x, const at::Tensor& weight, at::IntArrayRef parts, double epsilon, bool centred) {
  at::AutoDispatchBelowADInplaceOrView below;
  const int64_t columns = columns_of(parts);
  const at::Tensor own = x.detach().narrow(-1, 0, columns), normed = centred ? centre_parts(own, parts) : own.contiguous();
  const at::Tensor inverse = inverse_of_parts(normed, parts, epsilon);
  const at::Tensor widths = at::tensor(parts, at::TensorOptions().dtype(at::kLong).device(x.device()));
  at::Tensor y = x.detach().clone();
  y.narrow(-1, 0, columns).copy_(normed * inverse.repeat_interleave(widths, -1) * weight);
  if (recording(x)) record<PartNormBackward>(y, x, normed, weight, inverse, parts.vec(), centred, current_rules());
  return y;
}

at::Tensor rms_norm_parts(const at::Tensor& x, const at::Tensor& weight, at::IntArrayRef parts, double epsilon) {
  return part_norm(x, weight, parts, epsilon, false);
}

at::Tensor layer_norm_parts(const at::Tensor& x, const at::Tensor& weight, at::IntArrayRef parts, double epsilon) {
  return part_norm(x, weight, parts, epsilon, true);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(tokenlense, m) {
  m.def("rms_norm_parts(Tensor x, Tensor weight, int[] parts, float epsilon) -> Tensor");
  m.def("layer_norm_parts(Tensor x, Tensor weight, int[] parts, float epsilon) -> Tensor");
}
TORCH_LIBRARY_IMPL(tokenlense, CompositeExplicitAutograd, m) {
  m.impl("rms_norm_parts", rms_norm_parts);
  m.impl("layer_norm_parts", layer_norm_parts);
}
TORCH_LIBRARY_IMPL(tokenlense, Autograd, m) {
  m.impl("rms_norm_parts", rms_norm_parts);
  m.impl("layer_norm_parts", layer_norm_parts);
}

}  // namespace tokenlense
