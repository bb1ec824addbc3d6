#pragma once
#include "attention.h"

namespace tokenlense {

/// Some query rows' cotangents of one head, and where what comes of them goes.
struct AttentionBlock {
  static constexpr int64_t kRows = 64;  // a block of scores against 400 keys is 100 KiB

  int64_t sequence, head, group;  // group: its key/value head
  int64_t start, first, last;     // rows [first, last) of those from `start` on, a multiple of kRows
  int64_t floor;                  // first row of the results
  const float* g;                 // row `first` of the head's cotangents
  int64_t g_pitch;
  float *queries, *keys, *values;  // the head's columns of the results, row `floor`

  /// Keys that a row may see, in whole vectors.
  int64_t columns() const { return (last + 15) / 16 * 16; }
};

/// An attention's cotangents by products of digits, as amx_product's. Holds what all outputs share: queries, keys, values and
/// probabilities as tiles. Only where has_amx(). Errors: about 1e-6 of the largest value.
class AmxAttention {
 public:
  /// Where there are enough positions to be worth the cutting.
  static bool serves(int64_t length);
  /// What it holds.
  static int64_t bytes(int64_t batch, int64_t length, const AttentionShape& shape);
  /// rotated [batch, length, width]; probabilities [batch, heads, length, padded] times `mixing` go with the values.
  AmxAttention(const at::Tensor& rotated, const AttentionShape& shape, const at::Tensor& probabilities, float mixing);

  /// dP = g·Vᵀ into d [kRows, pitch], rows from `start` on, keys below columns().
  void scores(const AttentionBlock& block, float* d, int64_t pitch) const;
  /// Of dS in d, its other rows zero: into the queries' rows, onto keys' and values'.
  void results(const AttentionBlock& block, const float* d, int64_t pitch) const;

 private:
  // Tiles of a matrix for each [sequence, head].
  struct Kept {
    at::Tensor tiles, scales;  // [matrices, …] bytes, float32
    int64_t apart = 0;         // bytes of 16 rows or columns
    char* tiles_of(int64_t i) const { return reinterpret_cast<char*>(tiles.data_ptr<uint8_t>()) + i * tiles.size(1); }
    float* scales_of(int64_t i) const { return scales.data_ptr<float>() + i * scales.size(1); }
  };
  AttentionShape shape_;
  Kept values_, keys_, queries_, mixing_;
};

}  // namespace tokenlense
