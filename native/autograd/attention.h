#pragma once
#include "ragged.h"

namespace tokenlense {

/// How a head's scores are made of its queries and keys: s(i, j) = cap(scale · qᵢ·kⱼ) + bias[j] − bias[i], over the keys that i sees.
struct Scoring {
  float scale = 1;
  float softcap = 0;   // cap(s) = softcap · tanh(s / softcap), as in Gemma 2; none where it is 0
  int64_t window = 0;  // keys that a query sees, its own and those before it; all where it is 0 (sliding window, Beltagy et al. 2020)
  at::Tensor bias;     // [heads, positions], undefined for none: ALiBi (Press et al. 2022), in which position j counts slope · j

  /// First key that the query at `position` sees.
  int64_t first(int64_t position) const { return window > 0 ? std::max<int64_t>(0, position - window + 1) : 0; }
  /// True where a score is more than scale · q·k.
  bool shaped() const { return softcap > 0 || bias.defined(); }
  at::Tensor cap(const at::Tensor& scores) const;
  /// What a cotangent of cap(scores) is multiplied by; scores [batch, …].
  at::Tensor cap_slope(const at::Tensor& scores, Rules rules) const;
};

/// Shape of one attention layer: qkv holds, per row, `heads` queries, `kv_heads` keys and as many values of `dim` each.
struct AttentionShape {
  int64_t heads, kv_heads, dim;
  Scoring scoring;
  int64_t group() const { return heads / kv_heads; }
  int64_t width() const { return (heads + 2 * kv_heads) * dim; }
  int64_t keys() const { return heads * dim; }                 // column of the first key
  int64_t values() const { return (heads + kv_heads) * dim; }  // column of the first value
  static AttentionShape of(const at::Tensor& qkv, int64_t heads, int64_t kv_heads, Scoring scoring);
};

/// Rotary embedding of queries and keys (halves convention), positions start…; values are copied, and so are a head's dimensions beyond
/// twice the tables' columns. Returns a new tensor. Su et al. 2021. With `transposed`, the transpose of that; for tables that were not
/// scaled it undoes the rotation. qkv itself where the tables are empty.
at::Tensor rotate(const at::Tensor& qkv, const at::Tensor& cosine, const at::Tensor& sine, const AttentionShape& shape, int64_t start,
                  bool transposed = false);

/// Probabilities of pairs [2n, …] as DeepLIFT needs them, [n, …]: what a softmax's differences go by, and the sums of its rows.
/// With L the logarithmic mean (p − p₀)/(ln p − ln p₀) of each pair, Δp_j = L_j·(Δs_j − Σ L_k·Δs_k / Σ L): exact, symmetric, and the
/// derivative where both are equal. It is the rescale rule for exp after ln p = s − ln Σ exp(s).
struct SoftmaxPairs {
  at::Tensor weights;  // L
  at::Tensor sums;     // Σ L over the last dimension, kept as 1
};
SoftmaxPairs softmax_pairs(const at::Tensor& probabilities);

/// What the nodes of attention show beside their gradient.
class AttentionNode : public RaggedNode {
 public:
  /// A ∘ ∂f/∂A summed over query rows, for packed cotangents of the output: [segments, heads, length].
  virtual at::Tensor attention_times_gradient(const Cotangent& g) const = 0;
};

/// While it lives, attention on this thread leaves its probabilities here.
class AttentionWatch {
 public:
  AttentionWatch();
  ~AttentionWatch();
  AttentionWatch(const AttentionWatch&) = delete;
  AttentionWatch& operator=(const AttentionWatch&) = delete;

  /// Of the last layer that was passed, [batch, heads, length, length], rows are queries; undefined where none of these operators was met.
  at::Tensor take() { return std::exchange(probabilities_, {}); }
  static AttentionWatch* current();
  void see(at::Tensor probabilities) { probabilities_ = std::move(probabilities); }

 private:
  at::Tensor probabilities_;
  AttentionWatch* before_;
};

class AmxAttention;
struct AttentionBlock;

/// Packed cotangents of one causal attention, float32 on CPU. Holds what all outputs share: probabilities and transposes.
class AttentionKernel {
 public:
  /// For the forward pass alone. rotated [batch, length, width]: queries and keys after rotary embedding, if any.
  AttentionKernel(at::Tensor rotated, AttentionShape shape);
  /// For cotangents, by these rules; pairs for DeepLIFT's.
  AttentionKernel(at::Tensor rotated, AttentionShape shape, Rules rules);
  ~AttentionKernel();

  /// What one kernel holds.
  static int64_t bytes(int64_t batch, int64_t length, const AttentionShape& shape);

  /// Attention's output [batch, length, heads · dim]; only of a kernel for the forward pass.
  at::Tensor forward() const;
  /// [batch, heads, length, length], rows are queries; zero where a query does not see the key.
  at::Tensor probabilities() const { return probabilities_.narrow(-1, 0, length_); }

  struct Rows {
    int64_t sequence, floor, low, high, in_offset, out_offset;
  };
  /// g: packed cotangents of the output, rows [low, high) at in_offset; out: of the rotated qkv, rows [floor, high) at out_offset.
  void backward(const float* g, float* out, const std::vector<Rows>& segments) const;

 private:
  at::Tensor transposed(int64_t column) const;
  at::Tensor build_probabilities();
  void flip_probabilities();
  void take_pairs();
  void block_scores(const AttentionBlock& block, float* d) const;
  void block_results(const AttentionBlock& block, const float* d) const;

  at::Tensor rotated_;
  AttentionShape shape_;
  int64_t batch_, length_, padded_;    // keys padded to whole vectors
  at::Tensor values_t_;                // [batch, kv_heads, dim, padded]
  at::Tensor probabilities_;           // [batch, heads, length, padded], zero for unseen keys: what the softmax's backward goes by
  at::Tensor probabilities_t_;         // [batch, heads, length (keys), length (queries)]: what the values' goes by
  at::Tensor sums_;                    // [batch, heads, length], of probabilities_'s rows; undefined where they are one
  at::Tensor cap_slopes_;              // [batch, heads, length, padded]; undefined where scores are not capped
  float score_factor_ = 1;             // of what comes through the scores
  std::unique_ptr<AmxAttention> amx_;  // in place of values_t_ and probabilities_t_
};

}  // namespace tokenlense
