#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "amx_attention.h"
#include "gemm.h"
#include "rows.h"

namespace tokenlense {
namespace {

constexpr int64_t kBlock = AttentionBlock::kRows;

// Softmax of scores·scale over keys first…position, zero elsewhere.
TOKENLENSE_VECTORISED void softmax_row(float* row, int64_t first, int64_t position, int64_t padded, float scale) {
  float top = -std::numeric_limits<float>::infinity();
#pragma omp simd reduction(max : top)
  for (int64_t j = first; j <= position; ++j) top = std::max(top, row[j]);
  float sum = 0;
  for (int64_t j = first; j <= position; ++j) sum += row[j] = std::exp((row[j] - top) * scale);
  const float inverse = 1 / sum;
#pragma omp simd
  for (int64_t j = first; j <= position; ++j) row[j] *= inverse;
  std::fill(row, row + first, 0.f);
  std::fill(row + position + 1, row + padded, 0.f);
}

// Of a row of products: scaled, and kept in `capped` where they are capped afterwards; then with the bias of keys against the query's.
void shape_row(float* row, float* capped, int64_t position, int64_t padded, const Scoring& scoring, const float* bias) {
  for (int64_t j = 0; j <= position; ++j) {
    float score = row[j] * scoring.scale;
    if (capped) {
      capped[j] = score;
      score = std::tanh(score / scoring.softcap) * scoring.softcap;
    }
    row[j] = bias ? score + (bias[j] - bias[position]) : score;
  }
  if (capped) std::fill(capped + position + 1, capped + padded, 0.f);
}

// dS = P∘(dP − Σ P∘dP / Σ P)·scale, in place over dP, and times `slopes` where given. Rows sum to one where no sums are given.
TOKENLENSE_VECTORISED void softmax_backward(float* d, int64_t ldd, const float* p, int64_t ldp, const float* sums, const float* slopes,
                                            int64_t rows, int64_t columns, float scale) {
  for (int64_t i = 0; i < rows; ++i, d += ldd, p += ldp) {
    float dot = 0;
#pragma omp simd reduction(+ : dot)
    for (int64_t j = 0; j < columns; ++j) dot += p[j] * d[j];
    if (sums) dot /= sums[i];
#pragma omp simd
    for (int64_t j = 0; j < columns; ++j) d[j] = p[j] * (d[j] - dot) * scale;
    if (!slopes) continue;
#pragma omp simd
    for (int64_t j = 0; j < columns; ++j) d[j] *= slopes[j];
    slopes += ldp;
  }
}

}  // namespace

SoftmaxPairs softmax_pairs(const at::Tensor& probabilities) {
  const int64_t n = probabilities.size(0) / 2;
  // In float64: the difference of two near probabilities keeps its digits. The floor stands for a probability that underflowed.
  const at::Tensor p = probabilities.narrow(0, 0, n).to(at::kDouble), p0 = probabilities.narrow(0, n, n).to(at::kDouble);
  const at::Tensor floor = at::full({}, 1e-38, p.options());
  const at::Tensor sum = p + p0, x = (p - p0) / sum.clamp_min(1e-300);
  const at::Tensor mean =
      at::where(x.abs() < 1e-4, sum / 2 * (1 - x.square() / 3), (p - p0) / (p.maximum(floor) / p0.maximum(floor)).log());
  const at::Tensor weights = mean.to(probabilities.scalar_type());
  // A row of zeros (padding) has no sum to divide by.
  return {weights, weights.sum(-1, true).clamp_min(1e-30)};
}

AttentionKernel::AttentionKernel(at::Tensor rotated, AttentionShape shape)
    : rotated_(std::move(rotated)), shape_(shape), batch_(rotated_.size(0)), length_(rotated_.size(1)), padded_((length_ + 15) / 16 * 16) {
  build_probabilities();
}

AttentionKernel::AttentionKernel(at::Tensor rotated, AttentionShape shape, Rules rules)
    : rotated_(std::move(rotated)), shape_(shape), batch_(rotated_.size(0)), length_(rotated_.size(1)), padded_((length_ + 15) / 16 * 16) {
  const at::Tensor capped = build_probabilities();
  if (capped.defined()) cap_slopes_ = shape_.scoring.cap_slope(capped, rules).contiguous();
  // Half of a product's relevance to each factor: values and probabilities, then queries and keys.
  const float mixing = rules == Rules::attnlrp ? 0.5 : 1;
  score_factor_ = mixing * mixing;
  if (rules != Rules::deeplift && AmxAttention::serves(length_)) {
    amx_ = std::make_unique<AmxAttention>(rotated_, shape_, probabilities_, mixing);
    return;
  }
  flip_probabilities();
  if (rules == Rules::deeplift) take_pairs();
  if (mixing != 1) probabilities_t_.mul_(mixing);
  values_t_ = transposed(shape_.values());
}

AttentionKernel::~AttentionKernel() = default;

// The heads' columns from `column` on, [batch, kv_heads, dim, padded].
at::Tensor AttentionKernel::transposed(int64_t column) const {
  at::Tensor result = at::zeros({batch_, shape_.kv_heads, shape_.dim, padded_}, rotated_.options());
  const int64_t width = shape_.width(), dim = shape_.dim;
  const float* base = rotated_.const_data_ptr<float>();
  float* to = result.data_ptr<float>();
  for (int64_t b = 0; b < batch_; ++b)
    for (int64_t h = 0; h < shape_.kv_heads; ++h, to += dim * padded_)
      transpose_tile(base + b * length_ * width + column + h * dim, width, to, padded_, length_, dim);
  return result;
}

// From 2n sequences to what stands for their n pairs: products go by the mean of the other factor.
void AttentionKernel::take_pairs() {
  const SoftmaxPairs softmax = softmax_pairs(probabilities_);
  probabilities_ = softmax.weights.contiguous();
  sums_ = softmax.sums.squeeze(-1).contiguous();
  probabilities_t_ = mean_of(pairs_of(probabilities_t_.flatten(2))).view({batch_ / 2, shape_.heads, length_, length_});
  rotated_ = mean_of(pairs_of(rotated_));
  batch_ /= 2;
}

int64_t AttentionKernel::bytes(int64_t batch, int64_t length, const AttentionShape& shape) {
  const int64_t matrices = shape.scoring.softcap > 0 ? 3 : 2;
  const int64_t plain =
      batch * (length + 15) * (matrices * shape.heads * length + 2 * shape.kv_heads * shape.dim) * static_cast<int64_t>(sizeof(float));
  return AmxAttention::serves(length) ? plain + AmxAttention::bytes(batch, length, shape) : plain;
}

// Returns the scores before they were capped; undefined where they are not.
at::Tensor AttentionKernel::build_probabilities() {
  probabilities_ = at::empty({batch_, shape_.heads, length_, padded_}, rotated_.options());
  const int64_t width = shape_.width(), dim = shape_.dim;
  const at::Tensor keys_t = transposed(shape_.keys());
  const float *base = rotated_.const_data_ptr<float>(), *keys = keys_t.const_data_ptr<float>();
  float* scores = probabilities_.data_ptr<float>();
  const Scoring& scoring = shape_.scoring;
  at::Tensor capped;
  if (scoring.softcap > 0) capped = at::empty_like(probabilities_);
  float* uncapped = capped.defined() ? capped.data_ptr<float>() : nullptr;
  const float* bias = scoring.bias.defined() ? scoring.bias.const_data_ptr<float>() : nullptr;
  share_tasks(batch_ * shape_.heads, [&](int64_t t) {
    const int64_t b = t / shape_.heads, h = t % shape_.heads;
    const float* k = keys + (b * shape_.kv_heads + h / shape_.group()) * dim * padded_;
    float* p = scores + t * length_ * padded_;
    for (int64_t i = 0; i < length_; i += kBlock) {
      const int64_t rows = std::min(kBlock, length_ - i), columns = std::min(padded_, (i + rows + 15) / 16 * 16);
      gemm_tile(rows, columns, dim, base + (b * length_ + i) * width + h * dim, width, k, padded_, p + i * padded_, padded_, false);
      for (int64_t r = i; r < i + rows; ++r) {
        float* row = p + r * padded_;
        if (scoring.shaped())
          shape_row(row, uncapped ? uncapped + (t * length_ + r) * padded_ : nullptr, r, padded_, scoring,
                    bias ? bias + h * scoring.bias.size(1) : nullptr);
        softmax_row(row, scoring.first(r), r, padded_, scoring.shaped() ? 1 : scoring.scale);
      }
    }
  });
  count_flops(static_cast<double>(batch_) * shape_.heads * length_ * length_ * dim);
  return capped;
}

void AttentionKernel::flip_probabilities() {
  probabilities_t_ = at::empty({batch_, shape_.heads, length_, length_}, rotated_.options());
  const float* p = probabilities_.const_data_ptr<float>();
  float* to = probabilities_t_.data_ptr<float>();
  share_tasks(batch_ * shape_.heads, [&](int64_t t) {
    transpose_tile(p + t * length_ * padded_, padded_, to + t * length_ * length_, length_, length_, length_);
  });
}

at::Tensor AttentionKernel::forward() const {
  const int64_t width = shape_.width(), dim = shape_.dim, out_width = shape_.heads * dim;
  at::Tensor result = at::empty({batch_, length_, out_width}, rotated_.options());
  const float *base = rotated_.const_data_ptr<float>(), *p = probabilities_.const_data_ptr<float>();
  float* out = result.data_ptr<float>();
  share_tasks(batch_ * shape_.heads, [&](int64_t t) {
    const int64_t b = t / shape_.heads, h = t % shape_.heads;
    const float* values = base + b * length_ * width + shape_.values() + (h / shape_.group()) * dim;
    for (int64_t i = 0; i < length_; i += kBlock) {
      const int64_t rows = std::min(kBlock, length_ - i);
      gemm_tile(rows, dim, i + rows, p + (t * length_ + i) * padded_, padded_, values, width, out + (b * length_ + i) * out_width + h * dim,
                out_width, false);
    }
  });
  count_flops(static_cast<double>(batch_) * shape_.heads * length_ * length_ * dim);
  return result;
}

// Plain products of a block, as AmxAttention's.
void AttentionKernel::block_scores(const AttentionBlock& block, float* d) const {
  const float* values_t = values_t_.const_data_ptr<float>() + (block.sequence * shape_.kv_heads + block.group) * shape_.dim * padded_;
  gemm_tile(block.last - block.first, block.columns(), shape_.dim, block.g, block.g_pitch, values_t, padded_,
            d + (block.first - block.start) * padded_, padded_, false);
}
void AttentionKernel::block_results(const AttentionBlock& block, const float* d) const {
  thread_local std::vector<float> turned;
  turned.resize(kBlock * padded_);
  const auto [sequence, head, group, start, first, last, floor, g, g_pitch, queries, keys, values] = block;
  const int64_t width = shape_.width(), dim = shape_.dim, rows = last - first;
  const float* saved = rotated_.const_data_ptr<float>() + sequence * length_ * width;
  const float* p_t = probabilities_t_.const_data_ptr<float>() + (sequence * shape_.heads + head) * length_ * length_;
  d += (first - start) * padded_;
  gemm_tile(rows, dim, last, d, padded_, saved + shape_.keys() + group * dim, width, queries + (first - floor) * width, width, false);
  transpose_tile(d + floor, padded_, turned.data(), kBlock, rows, last - floor);
  gemm_tile(last - floor, dim, rows, turned.data(), kBlock, saved + first * width + head * dim, width, keys, width, true);
  gemm_tile(last - floor, dim, rows, p_t + floor * length_ + first, length_, g, g_pitch, values, width, true);
}

void AttentionKernel::backward(const float* g, float* out, const std::vector<Rows>& segments) const {
  const int64_t width = shape_.width(), dim = shape_.dim, out_width = shape_.heads * dim, groups = shape_.kv_heads;
  const float scale = shape_.scoring.scale * score_factor_;
  const float* sums = sums_.defined() ? sums_.const_data_ptr<float>() : nullptr;
  const float* slopes = cap_slopes_.defined() ? cap_slopes_.const_data_ptr<float>() : nullptr;
  const float* p = probabilities_.const_data_ptr<float>();

  // One task per output and key/value head: it owns those columns of the result, so nothing is shared between threads.
  share_tasks(static_cast<int64_t>(segments.size()) * groups, [&](int64_t task) {
    thread_local std::vector<float> d;
    d.resize(kBlock * padded_);
    const Rows& segment = segments[task / groups];
    const int64_t group = task % groups, floor = segment.floor;
    float *rows_out = out + segment.out_offset * width, *keys_out = rows_out + shape_.keys() + group * dim,
          *values_out = rows_out + shape_.values() + group * dim;
    const int64_t first_head = group * shape_.group(), query_columns = shape_.group() * dim;
    for (int64_t r = floor; r < segment.high; ++r) {
      float* row = rows_out + (r - floor) * width;
      if (r < segment.low) std::memset(row + first_head * dim, 0, query_columns * sizeof(float));
      std::memset(row + shape_.keys() + group * dim, 0, dim * sizeof(float));
      std::memset(row + shape_.values() + group * dim, 0, dim * sizeof(float));
    }
    for (int64_t i = segment.low / kBlock * kBlock; i < segment.high; i += kBlock) {
      const int64_t first = std::max(i, segment.low), last = std::min(i + kBlock, segment.high), rows = last - first;
      float* from = d.data() + (first - i) * padded_;
      if (amx_ && rows < kBlock) std::fill(d.begin(), d.end(), 0.f);
      for (int64_t h = first_head; h < first_head + shape_.group(); ++h) {
        const AttentionBlock block{segment.sequence,
                                   h,
                                   group,
                                   i,
                                   first,
                                   last,
                                   floor,
                                   g + (segment.in_offset + first - segment.low) * out_width + h * dim,
                                   out_width,
                                   rows_out + h * dim,
                                   keys_out,
                                   values_out};
        amx_ ? amx_->scores(block, d.data(), padded_) : block_scores(block, d.data());
        const int64_t row = (segment.sequence * shape_.heads + h) * length_ + first;
        softmax_backward(from, padded_, p + row * padded_, padded_, sums ? sums + row : nullptr, slopes ? slopes + row * padded_ : nullptr,
                         rows, block.columns(), scale);
        amx_ ? amx_->results(block, d.data(), padded_) : block_results(block, d.data());
      }
    }
  });
  for (const auto& segment : segments)  // causal half only: what the definition needs, whatever the blocks compute beside it
    count_flops(4.0 * shape_.heads * dim * (segment.high * (segment.high + 1) - segment.low * (segment.low + 1)));
}

}  // namespace tokenlense
