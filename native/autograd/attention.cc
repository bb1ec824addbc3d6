#include "attention.h"

#include "activation.h"
#include "gemm.h"
#include "rows.h"

// tokenlense::attention(qkv, tables, counts, factors): causal grouped-query attention from the joint projection, after rotary embedding
// where its tables are not empty, with scores as Scoring has them. tokenlense::attention_cached(...): the same for new positions against
// a key/value cache; no gradient.

namespace tokenlense {

at::Tensor Scoring::cap(const at::Tensor& scores) const { return softcap > 0 ? bounded_by(softcap).f(scores) : scores; }

at::Tensor Scoring::cap_slope(const at::Tensor& scores, Rules rules) const {
  const at::Tensor rows = scores.flatten(1, -2);
  auto sizes = scores.sizes().vec();
  if (rules == Rules::deeplift) sizes[0] /= 2;
  return slope_by_rules(bounded_by(softcap), rows, cap(rows), rules).view(sizes);
}

AttentionShape AttentionShape::of(const at::Tensor& qkv, int64_t heads, int64_t kv_heads, Scoring scoring) {
  TORCH_CHECK(heads > 0 && kv_heads > 0 && heads % kv_heads == 0 && qkv.size(-1) % (heads + 2 * kv_heads) == 0, "attention: ", qkv.size(-1),
              " columns do not divide into ", heads, " heads and 2 × ", kv_heads, " key/value heads");
  return {heads, kv_heads, qkv.size(-1) / (heads + 2 * kv_heads), std::move(scoring)};
}

namespace {

thread_local AttentionWatch* watch_on_this_thread = nullptr;

// Queries and keys of rows one after another, position by position: packed ones are turned in place; back where `transposed`.
TOKENLENSE_VECTORISED void rotate_rows(float* row, const float* cosine, const float* sine, int64_t rows, const AttentionShape& shape,
                                       int64_t half, bool transposed) {
  const int64_t width = shape.width(), turned = shape.heads + shape.kv_heads;
  const float sign = transposed ? -1.f : 1.f;
  for (int64_t i = 0; i < rows; ++i, row += width, cosine += half, sine += half)
    for (int64_t h = 0; h < turned; ++h) {
      float *first = row + h * shape.dim, *second = first + half;
#pragma omp simd
      for (int64_t j = 0; j < half; ++j) {
        const float a = first[j], b = second[j], s = sign * sine[j];
        first[j] = a * cosine[j] - b * s;
        second[j] = s * a + b * cosine[j];
      }
    }
}

}  // namespace

AttentionWatch::AttentionWatch() : before_(std::exchange(watch_on_this_thread, this)) {}
AttentionWatch::~AttentionWatch() { watch_on_this_thread = before_; }
AttentionWatch* AttentionWatch::current() { return watch_on_this_thread; }

at::Tensor rotate(const at::Tensor& qkv, const at::Tensor& cosine, const at::Tensor& sine, const AttentionShape& shape, int64_t start,
                  bool transposed) {
  const int64_t half = cosine.size(1);
  if (half == 0) return qkv;
  const int64_t length = qkv.size(-2), turned = shape.heads + shape.kv_heads;
  auto by_head = qkv.sizes().vec();
  by_head.back() = turned;
  by_head.push_back(shape.dim);
  const at::Tensor heads = qkv.narrow(-1, 0, shape.values()).reshape(by_head);
  const at::Tensor first = heads.narrow(-1, 0, half), second = heads.narrow(-1, half, half);
  const at::Tensor c = cosine.narrow(0, start, length).unsqueeze(1), s = sine.narrow(0, start, length).unsqueeze(1);
  const at::Tensor by = transposed ? -s : s;
  const at::Tensor rotated =
      at::cat({first * c - second * by, second * c + first * by, heads.narrow(-1, 2 * half, shape.dim - 2 * half)}, -1);
  return at::cat({rotated.flatten(-2), qkv.narrow(-1, shape.values(), shape.kv_heads * shape.dim)}, -1);
}

namespace {

struct Split {
  at::Tensor q, k, v;  // [..., heads | kv_heads, length, dim]
};
Split split(const at::Tensor& rotated, const AttentionShape& shape) {
  auto heads = [&](int64_t from, int64_t count) {
    auto sizes = rotated.sizes().vec();
    sizes.back() = count;
    sizes.push_back(shape.dim);
    return rotated.narrow(-1, from, count * shape.dim).reshape(sizes).transpose(-2, -3);
  };
  return {heads(0, shape.heads), heads(shape.keys(), shape.kv_heads), heads(shape.values(), shape.kv_heads)};
}

// Each key/value head once per query head of its group.
at::Tensor repeat(const at::Tensor& kv, const AttentionShape& shape) { return kv.repeat_interleave(shape.group(), -3); }
at::Tensor merge(const at::Tensor& heads) { return heads.transpose(-2, -3).flatten(-2); }

// scale · q·k, [..., heads, queries, keys].
at::Tensor scaled_products(const Split& parts, const AttentionShape& shape) {
  return at::matmul(parts.q, repeat(parts.k, shape).transpose(-1, -2)) * shape.scoring.scale;
}

// Queries stand at `start` and after it, keys at 0 and after it.
at::Tensor probabilities(const at::Tensor& products, const Scoring& scoring, int64_t start) {
  const int64_t queries = products.size(-2), keys = products.size(-1);
  at::Tensor scores = scoring.cap(products);
  if (scoring.bias.defined())
    scores = scores + (scoring.bias.narrow(1, 0, keys).unsqueeze(1) - scoring.bias.narrow(1, start, queries).unsqueeze(2));
  at::Tensor seen = at::ones({queries, keys}, scores.options().dtype(at::kBool)).tril(start);
  if (scoring.window > 0) seen = seen.triu(start - scoring.window + 1);
  return at::softmax(scores.masked_fill(seen.logical_not(), -std::numeric_limits<double>::infinity()), -1);
}
at::Tensor probabilities(const Split& parts, const AttentionShape& shape, int64_t start) {
  return probabilities(scaled_products(parts, shape), shape.scoring, start);
}

class AttentionBackward : public AttentionNode {
 public:
  AttentionBackward(at::Tensor rotated, at::Tensor cosine, at::Tensor sine, AttentionShape shape, Rules rules)
      : rotated_(std::move(rotated)), cosine_(std::move(cosine)), sine_(std::move(sine)), shape_(shape), rules_(rules) {
    length_ = rotated_.size(-2);
    pairs_ = rules == Rules::deeplift;
  }
  std::string name() const override { return "TokenlenseAttentionBackward"; }
  int64_t saved_bytes() const override { return static_cast<int64_t>(rotated_.nbytes()); }

  // Keys and values before the first cotangent row matter too, as far back as they are wanted.
  std::shared_ptr<const Layout> input_layout(std::shared_ptr<const Layout> layout) const override {
    auto segments = layout->segments;
    if (std::all_of(segments.begin(), segments.end(), [](const Segment& s) { return s.low <= s.floor; })) return layout;
    for (auto& segment : segments) segment.low = std::min(segment.low, segment.floor);
    return std::make_shared<Layout>(std::move(segments));
  }

  Cotangent ragged(Cotangent g, const Cotangent*) override {
    if (!is_cpu_float(g.rows) || !is_cpu_float(rotated_)) return RaggedNode::ragged(std::move(g), nullptr);
    if (!kernel_) kernel_ = std::make_unique<AttentionKernel>(rotated_, shape_, rules_);
    Cotangent out{{}, input_layout(g.layout)};
    out.rows = at::empty({out.layout->rows, shape_.width()}, g.rows.options());
    std::vector<AttentionKernel::Rows> rows;
    for (size_t s = 0; s < g.layout->segments.size(); ++s) {
      const auto& segment = g.layout->segments[s];
      const auto& input = out.layout->segments[s];
      rows.push_back({segment.sequence, input.low, segment.low, segment.high, segment.offset, input.offset});
    }
    float* to = out.rows.data_ptr<float>();
    kernel_->backward(g.rows.const_data_ptr<float>(), to, rows);
    const int64_t half = cosine_.size(1);
    if (half == 0) return out;
    const float *c = cosine_.const_data_ptr<float>(), *s = sine_.const_data_ptr<float>();
    for_row_runs(*out.layout, length_, 16, [&](int64_t packed, int64_t saved, int64_t count) {
      const int64_t position = saved % length_;
      rotate_rows(to + packed * shape_.width(), c + position * half, s + position * half, count, shape_, half, /*transposed=*/true);
    });
    return out;
  }

  at::Tensor attention_times_gradient(const Cotangent& g) const override {
    const Split parts = split(rotated_, shape_);
    const at::Tensor p = probabilities(parts, shape_, 0), v = repeat(parts.v, shape_);
    at::Tensor sums = at::zeros({static_cast<int64_t>(g.layout->segments.size()), shape_.heads, length_}, p.options());
    for (size_t s = 0; s < g.layout->segments.size(); ++s) {
      const auto& segment = g.layout->segments[s];
      const at::Tensor rows = g.rows.narrow(0, segment.offset, segment.rows());
      const at::Tensor go = rows.view({segment.rows(), shape_.heads, shape_.dim}).transpose(0, 1);  // [heads, rows, dim]
      const at::Tensor dp = at::matmul(go, v[segment.sequence].transpose(-1, -2));
      sums[static_cast<int64_t>(s)].copy_((p[segment.sequence].narrow(1, segment.low, segment.rows()) * dp).sum(1));
    }
    return sums;
  }

  int64_t shared_bytes() const override { return AttentionKernel::bytes(rotated_.size(0), length_, shape_); }
  void drop_shared() override { kernel_.reset(); }

 protected:
  at::Tensor product(const at::Tensor& g) override {
    const Scoring& scoring = shape_.scoring;
    const at::Tensor products = scaled_products(split(rotated_, shape_), shape_), p = probabilities(products, scoring, 0);
    const at::Tensor one = at::ones({1}, p.options());
    const at::Tensor slope = (scoring.softcap > 0 ? scoring.cap_slope(products, rules_) : one) * scoring.scale;
    if (rules_ == Rules::deeplift) {
      const SoftmaxPairs softmax = softmax_pairs(p);
      const at::Tensor mixing = mean_of(pairs_of(p.flatten(2))).view(softmax.weights.sizes());
      return backward(g, split(mean_of(pairs_of(rotated_)), shape_), softmax.weights, softmax.sums, mixing, slope);
    }
    if (rules_ == Rules::attnlrp) return backward(g, split(rotated_, shape_), p, one, p * 0.5, slope * 0.25);
    return backward(g, split(rotated_, shape_), p, one, p, slope);
  }

 private:
  // g [..., n, length, heads · dim]; `soft` and its sums for the softmax, `mixing` for the values, `slope` of scores by products.
  at::Tensor backward(const at::Tensor& g, const Split& parts, const at::Tensor& soft, const at::Tensor& sums, const at::Tensor& mixing,
                      const at::Tensor& slope) const {
    const at::Tensor k = repeat(parts.k, shape_), v = repeat(parts.v, shape_);
    auto sizes = g.sizes().vec();
    sizes.back() = shape_.heads;
    sizes.push_back(shape_.dim);
    const at::Tensor go = g.reshape(sizes).transpose(-2, -3);
    const at::Tensor dp = at::matmul(go, v.transpose(-1, -2));
    const at::Tensor ds = soft * (dp - (soft * dp).sum(-1, true) / sums) * slope;
    auto per_group = [&](const at::Tensor& t) {
      auto grouped = t.sizes().vec();
      grouped[grouped.size() - 3] = shape_.kv_heads;
      grouped.insert(grouped.end() - 2, shape_.group());
      return t.reshape(grouped).sum(-3);
    };
    const at::Tensor dq = at::matmul(ds, k);
    const at::Tensor dk = per_group(at::matmul(ds.transpose(-1, -2), parts.q));
    const at::Tensor dv = per_group(at::matmul(mixing.transpose(-1, -2), go));
    return rotate(at::cat({merge(dq), merge(dk), merge(dv)}, -1), cosine_, sine_, shape_, 0, /*transposed=*/true);
  }

  at::Tensor rotated_, cosine_, sine_;
  AttentionShape shape_;
  Rules rules_;
  std::unique_ptr<AttentionKernel> kernel_;
};

at::Tensor attend(const at::Tensor& rotated, const AttentionShape& shape) {
  AttentionWatch* watch = AttentionWatch::current();
  if (is_cpu_float(rotated)) {
    const AttentionKernel kernel(rotated, shape);
    if (watch) watch->see(kernel.probabilities());
    return kernel.forward();
  }
  const Split parts = split(rotated, shape);
  const at::Tensor p = probabilities(parts, shape, 0);
  if (watch) watch->see(p);
  return merge(at::matmul(p, repeat(parts.v, shape))).contiguous();
}

// What every operator here is told beside the projection: tables [cosine, sine, bias], the rotary ones [positions, columns], any of them
// empty for none; counts [heads, key/value heads, window]; factors [scale, softcap].
struct Told {
  at::Tensor cosine, sine;
  AttentionShape shape;

  Told(const at::Tensor& qkv, at::TensorList tables, at::IntArrayRef counts, at::ArrayRef<double> factors) {
    TORCH_CHECK(tables.size() == 3 && counts.size() == 3 && factors.size() == 2, "attention: 3 tables, 3 counts and 2 factors are needed");
    cosine = tables[0], sine = tables[1];
    Scoring scoring{static_cast<float>(factors[0]), static_cast<float>(factors[1]), counts[2], {}};
    if (tables[2].numel() > 0) scoring.bias = tables[2];
    shape = AttentionShape::of(qkv, counts[0], counts[1], std::move(scoring));
  }
  at::Tensor rotated(const at::Tensor& qkv, int64_t start = 0) const {
    const int64_t half = cosine.size(1), length = qkv.size(-2), rows = qkv.numel() / qkv.size(-1);
    if (half == 0 || !is_cpu_float(qkv) || !is_cpu_float(cosine) || !is_cpu_float(sine))
      return rotate(qkv, cosine, sine, shape, start).contiguous();
    at::Tensor result = qkv.clone();
    float* to = result.data_ptr<float>();
    const float *c = cosine.const_data_ptr<float>() + start * half, *s = sine.const_data_ptr<float>() + start * half;
    for (int64_t row = 0; row < rows; row += length) rotate_rows(to + row * shape.width(), c, s, length, shape, half, /*transposed=*/false);
    return result;
  }
};

at::Tensor attention_forward(const at::Tensor& qkv, at::TensorList tables, at::IntArrayRef counts, at::ArrayRef<double> factors) {
  const Told told(qkv, tables, counts, factors);
  return attend(told.rotated(qkv), told.shape);
}

at::Tensor attention_autograd(const at::Tensor& qkv, at::TensorList tables, at::IntArrayRef counts, at::ArrayRef<double> factors) {
  at::AutoDispatchBelowADInplaceOrView below;
  const Told told(qkv, tables, counts, factors);
  const at::Tensor rotated = told.rotated(qkv.detach());
  at::Tensor y = attend(rotated, told.shape);
  if (recording(qkv)) record<AttentionBackward>(y, qkv, rotated, told.cosine, told.sine, told.shape, current_rules());
  return y;
}

// keys, values [batch, kv_heads, capacity, dim]; rows start…start + length − 1 are written.
at::Tensor attention_cached(const at::Tensor& qkv, at::TensorList tables, at::IntArrayRef counts, at::ArrayRef<double> factors,
                            at::Tensor keys, at::Tensor values, int64_t start) {
  const Told told(qkv, tables, counts, factors);
  const int64_t length = qkv.size(-2);
  Split parts = split(told.rotated(qkv, start), told.shape);
  keys.narrow(2, start, length).copy_(parts.k);
  values.narrow(2, start, length).copy_(parts.v);
  parts.k = keys.narrow(2, 0, start + length);
  return merge(at::matmul(probabilities(parts, told.shape, start), repeat(values.narrow(2, 0, start + length), told.shape)));
}

// Probabilities [batch, heads, length, length], rows are queries.
at::Tensor attention_weights(const at::Tensor& qkv, at::TensorList tables, at::IntArrayRef counts, at::ArrayRef<double> factors) {
  const Told told(qkv, tables, counts, factors);
  const at::Tensor rotated = told.rotated(qkv);
  if (is_cpu_float(rotated)) return AttentionKernel(rotated, told.shape).probabilities();
  return probabilities(split(rotated, told.shape), told.shape, 0);
}

// Attention [n, length − first, heads · dim] of one sequence [1, length, …], rows `first` and later: in the i-th of n, the values of
// positions[i] are zero in those heads that `zeroed` [heads] marks with 1.
at::Tensor attention_zeroed(const at::Tensor& qkv, at::TensorList tables, at::IntArrayRef counts, at::ArrayRef<double> factors,
                            const at::Tensor& positions, const at::Tensor& zeroed, int64_t first) {
  const Told told(qkv, tables, counts, factors);
  const Split parts = split(told.rotated(qkv), told.shape);
  const int64_t rows = qkv.size(1) - first;
  const at::Tensor p = probabilities(parts, told.shape, 0)[0].narrow(1, first, rows),
                   v = repeat(parts.v, told.shape)[0];                                                    // [heads, rows | length, …]
  const at::Tensor whole = at::matmul(p, v).transpose(0, 1);                                              // [rows, heads, dim]
  const at::Tensor weight = (p.index_select(2, positions) * zeroed.view({-1, 1, 1})).permute({2, 1, 0});  // [n, rows, heads]
  const at::Tensor values = v.index_select(1, positions).transpose(0, 1).unsqueeze(1);                    // [n, 1, heads, dim]
  return (whole - weight.unsqueeze(-1) * values).flatten(2);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(tokenlense, m) {
  m.def("attention(Tensor qkv, Tensor[] tables, int[] counts, float[] factors) -> Tensor");
  m.def("attention_weights(Tensor qkv, Tensor[] tables, int[] counts, float[] factors) -> Tensor");
  m.def(
      "attention_zeroed(Tensor qkv, Tensor[] tables, int[] counts, float[] factors, Tensor positions, Tensor zeroed, int first) -> Tensor");
  m.def(
      "attention_cached(Tensor qkv, Tensor[] tables, int[] counts, float[] factors, Tensor(a!) keys, Tensor(b!) values, int start) -> "
      "Tensor");
}
TORCH_LIBRARY_IMPL(tokenlense, CompositeExplicitAutograd, m) {
  m.impl("attention", attention_forward);
  m.impl("attention_cached", attention_cached);
  m.impl("attention_weights", attention_weights);
  m.impl("attention_zeroed", attention_zeroed);
}
TORCH_LIBRARY_IMPL(tokenlense, Autograd, m) { m.impl("attention", attention_autograd); }

}  // namespace tokenlense
