#include "amx_attention.h"

#include "amx.h"

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__)

#include <cstring>
#include <optional>

#include "amx_block.h"
#include "amx_memory.h"
#include "amx_schemes.h"
#include "gemm.h"
#include "rows.h"

namespace tokenlense {
namespace {

using namespace amx;
using Scheme = Digits<3>;
constexpr int64_t kRows = AttentionBlock::kRows;
static_assert(kRows == Scheme::kStep);  // a block of queries is one step of what is summed over them

constexpr int64_t kLeast = 96;  // positions; below, cutting takes as long as it saves

constexpr int64_t kStepBytes = Scheme::kLeft * kTileBytes;  // of 16 rows, or columns: three digits of either
static_assert(Scheme::kLeft == Scheme::kRight);

constexpr int64_t steps_of(int64_t depth) { return ceil_to(depth, Scheme::kStep) / Scheme::kStep; }
constexpr int64_t tile_bytes(int64_t depth) { return steps_of(depth) * kStepBytes; }
constexpr int64_t side_bytes(int64_t count, int64_t depth) { return ceil_to(count, kPair) / kTile * tile_bytes(depth); }

TOKENLENSE_AMX void cut_rows(const float* from, int64_t pitch, int64_t rows, int64_t depth, char* to, float* scales) {
  for (int64_t i = 0; i < rows; i += kTile, to += tile_bytes(depth)) Scheme::rows(from + i * pitch, pitch, rows - i, depth, to, scales + i);
}
TOKENLENSE_AMX void cut_columns(const float* from, int64_t pitch, int64_t columns, int64_t depth, char* to, float* scales) {
  for (int64_t i = 0; i < columns; i += kPair, to += 2 * tile_bytes(depth))
    Scheme::columns(from + i, pitch, columns - i, depth, to, scales + i);
}
TOKENLENSE_AMX void cut_turned(const float* from, int64_t pitch, int64_t columns, int64_t depth, char* to, float* scales) {
  for (int64_t i = 0; i < ceil_to(columns, kPair); i += kTile, to += tile_bytes(depth))
    Scheme::turned(from + i * pitch, pitch, columns - i, depth, to, scales + i);
}

// Memory of this thread for as long as a call takes.
class Scratch {
 public:
  explicit Scratch(int64_t bytes) {
    thread_local std::optional<Memory> memory;
    thread_local int64_t size = 0;
    if (bytes > size) {
      memory.reset();
      memory.emplace(bytes);
      size = bytes;
    }
    next_ = memory->at(0);
  }
  template <class T>
  T* take(int64_t count) {
    return reinterpret_cast<T*>(std::exchange(next_, next_ + ceil_to(count * static_cast<int64_t>(sizeof(T)), kBytes)));
  }

 private:
  char* next_;
};

template <class Kept>
Side side_of(const Kept& kept, int64_t i) {
  return {kept.tiles_of(i), kept.apart, kept.scales_of(i)};
}
Side operator+(const Side& side, int64_t pairs) { return {side.tiles + 2 * pairs * side.apart, side.apart, side.scales + pairs * kPair}; }

// All rows and columns of a result, block by block.
TOKENLENSE_AMX void multiply(Blocks<Scheme>& blocks, const Side& left, const Side& right, int64_t steps, const Place& to) {
  Ahead nothing;
  for (int64_t j = 0; j < to.columns; j += kPair)
    for (int64_t i = to.first / kPair * kPair; i < to.rows; i += kPair)
      blocks.multiply(left + i / kPair, right + j / kPair, steps,
                      {to.c + i * to.pitch + j, to.pitch, std::min(kPair, to.rows - i), std::min(kPair, to.columns - j), to.accumulate,
                       std::max<int64_t>(0, to.first - i)},
                      nothing);
}

}  // namespace

bool AmxAttention::serves(int64_t length) { return has_amx() && length >= kLeast; }

int64_t AmxAttention::bytes(int64_t batch, int64_t length, const AttentionShape& shape) {
  const int64_t per_value = side_bytes(length, shape.dim), per_column = side_bytes(shape.dim, length);
  return batch * (shape.kv_heads * (per_value + per_column) + shape.heads * (per_column + side_bytes(length, length))) +
         at::get_num_threads() * length * length * static_cast<int64_t>(sizeof(float));
}

AmxAttention::AmxAttention(const at::Tensor& rotated, const AttentionShape& shape, const at::Tensor& probabilities, float mixing)
    : shape_(shape) {
  const int64_t batch = rotated.size(0), length = rotated.size(1);
  const auto make = [&](int64_t heads, int64_t count, int64_t depth) {
    return Kept{at::empty({batch * heads, side_bytes(count, depth)}, rotated.options().dtype(at::kByte)),
                at::empty({batch * heads, ceil_to(count, kPair)}, rotated.options()), tile_bytes(depth)};
  };
  values_ = make(shape.kv_heads, length, shape.dim), keys_ = make(shape.kv_heads, shape.dim, length);
  queries_ = make(shape.heads, shape.dim, length), mixing_ = make(shape.heads, length, length);
  const int64_t width = shape.width(), dim = shape.dim, padded = probabilities.size(-1);
  const float *base = rotated.const_data_ptr<float>(), *p = probabilities.const_data_ptr<float>();
  share_tasks(batch * shape.kv_heads, [&](int64_t t) {
    const float* from = base + t / shape.kv_heads * length * width + t % shape.kv_heads * dim;
    cut_turned(from + shape.values(), width, length, dim, values_.tiles_of(t), values_.scales_of(t));
    cut_columns(from + shape.keys(), width, dim, length, keys_.tiles_of(t), keys_.scales_of(t));
  });
  share_tasks(batch * shape.heads, [&](int64_t t) {
    cut_columns(base + t / shape.heads * length * width + t % shape.heads * dim, width, dim, length, queries_.tiles_of(t),
                queries_.scales_of(t));
    const at::Tensor memory = at::empty({length, length}, rotated.options());  // not Scratch's, which the thread keeps
    float* turned = memory.data_ptr<float>();
    transpose_tile(p + t * length * padded, padded, turned, length, length, length);
    cut_rows(turned, length, length, length, mixing_.tiles_of(t), mixing_.scales_of(t));
  });
  if (mixing != 1) mixing_.scales.mul_(mixing);
}

TOKENLENSE_AMX void AmxAttention::scores(const AttentionBlock& block, float* d, int64_t pitch) const {
  const int64_t dim = shape_.dim, skipped = block.first - block.start, rows = block.last - block.first;
  Scratch scratch(side_bytes(kRows, dim) + kRows * 4);
  char* tiles = scratch.take<char>(side_bytes(kRows, dim));
  float* scales = scratch.take<float>(kRows);
  cut_rows(block.g, block.g_pitch, rows, dim, tiles, scales);
  const Tiles configured;
  Blocks<Scheme> blocks;
  multiply(blocks, {tiles, tile_bytes(dim), scales}, side_of(values_, block.sequence * shape_.kv_heads + block.group), steps_of(dim),
           {d + skipped * pitch, pitch, rows, block.columns()});
  blocks.finish();
}

TOKENLENSE_AMX void AmxAttention::results(const AttentionBlock& block, const float* d, int64_t pitch) const {
  const int64_t dim = shape_.dim, width = shape_.width(), keys = block.last, skipped = block.first - block.start;
  const int64_t group = block.sequence * shape_.kv_heads + block.group, head = block.sequence * shape_.heads + block.head;
  const int64_t step = block.start / kRows * kStepBytes, along = side_bytes(kRows, keys), across = side_bytes(keys, kRows),
                cotangents = side_bytes(dim, kRows), floats = kRows * (dim + keys + 1) + ceil_to(keys, kPair) + ceil_to(dim, kPair);
  Scratch scratch(along + across + cotangents + 4 * floats + 8 * kBytes);
  float* g = scratch.take<float>(kRows * dim);
  std::memset(g, 0, kRows * dim * sizeof(float));
  for (int64_t r = 0; r < block.last - block.first; ++r)
    std::memcpy(g + (skipped + r) * dim, block.g + r * block.g_pitch, dim * sizeof(float));
  char* g_tiles = scratch.take<char>(cotangents);
  float* g_scales = scratch.take<float>(ceil_to(dim, kPair));
  cut_columns(g, dim, dim, kRows, g_tiles, g_scales);
  char* along_tiles = scratch.take<char>(along);
  float* along_scales = scratch.take<float>(kRows);
  cut_rows(d, pitch, kRows, keys, along_tiles, along_scales);
  float* turned = scratch.take<float>(kRows * keys);
  transpose_tile(d, pitch, turned, kRows, kRows, keys);
  char* across_tiles = scratch.take<char>(across);
  float* across_scales = scratch.take<float>(ceil_to(keys, kPair));
  cut_rows(turned, kRows, keys, kRows, across_tiles, across_scales);

  const Tiles configured;
  Blocks<Scheme> blocks;
  const auto at = [&](float* result, int64_t row) { return result + (row - block.floor) * width; };
  multiply(blocks, {along_tiles, tile_bytes(keys), along_scales}, side_of(keys_, group), steps_of(keys),
           {at(block.queries, block.start), width, block.last - block.start, dim, false, skipped});
  const Side queries = side_of(queries_, head), mixing = side_of(mixing_, head);
  multiply(blocks, {across_tiles, tile_bytes(kRows), across_scales}, {queries.tiles + step, queries.apart, queries.scales}, 1,
           {at(block.keys, 0), width, keys, dim, true, block.floor});
  multiply(blocks, {mixing.tiles + step, mixing.apart, mixing.scales}, {g_tiles, tile_bytes(kRows), g_scales}, 1,
           {at(block.values, 0), width, keys, dim, true, block.floor});
  blocks.finish();
}

}  // namespace tokenlense

#else

namespace tokenlense {

bool AmxAttention::serves(int64_t) { return false; }
int64_t AmxAttention::bytes(int64_t, int64_t, const AttentionShape&) { return 0; }
AmxAttention::AmxAttention(const at::Tensor&, const AttentionShape& shape, const at::Tensor&, float) : shape_(shape) {}
void AmxAttention::scores(const AttentionBlock&, float*, int64_t) const {}
void AmxAttention::results(const AttentionBlock&, const float*, int64_t) const {}

}  // namespace tokenlense

#endif
