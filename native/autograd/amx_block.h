#pragma once
#include "amx_tiles.h"

// A block of a product, two tiles of rows times two of columns or, tall, four times one, and what goes on beside its multiplication. Only
// for files that do not run where has_amx() is false.

namespace tokenlense::amx {

constexpr int64_t kLevelBytes = 4 * kTileBytes;  // sums of one level: of four tiles

// Memory that will be read soon: fetched into the second-level cache while tiles are multiplied.
class Ahead {
 public:
  Ahead() = default;
  // In so many calls.
  Ahead(const char* from, int64_t bytes, int64_t calls) : at_(from), end_(from + bytes), each_((bytes / kBytes + calls - 1) / calls) {}

  TOKENLENSE_AMX void some() {
    for (int64_t i = 0; i < each_ && at_ < end_; ++i, at_ += kBytes) _mm_prefetch(at_, _MM_HINT_T1);
  }

 private:
  const char *at_ = nullptr, *end_ = nullptr;
  int64_t each_ = 0;
};

// Where a block's results go.
struct Place {
  float* c = nullptr;
  int64_t pitch = 0, rows = 0, columns = 0;
  bool accumulate = false;
  int64_t first = 0;  // row; those before are not wanted
};

// The sums of a block, two tiles of rows by two of columns, on their way into the result: row by row while the next block is multiplied.
template <class Scheme>
class Results {
 public:
  // What is left of the last is finished already. rows, columns: what their sums are multiplied with.
  template <bool tall>
  void begin(const void* sums, const Place& to, const float* rows, const float* columns) {
    static_assert(!tall);
    sums_ = static_cast<const char*>(sums), to_ = to, rows_ = rows, columns_ = columns, next_ = to.first;
  }
  TOKENLENSE_AMX void some(int64_t rows) {
    for (const int64_t last = std::min(next_ + rows, to_.rows); next_ < last; ++next_) {
      put(0);
      put(1);
    }
  }
  TOKENLENSE_AMX void finish() { some(to_.rows); }

 private:
  TOKENLENSE_AMX void put(int64_t half) const {
    const char* from = sums_ + ((next_ / kTile * 2 + half) * kWords + next_ % kTile * kTile) * 4;
    __m512 sum = Scheme::sum(from, rows_[next_], columns_ + half * kTile);
    const __mmask16 mask = mask_of(to_.columns - half * kTile);
    float* c = to_.c + next_ * to_.pitch + half * kTile;
    if (to_.accumulate) sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(mask, c));
    _mm512_mask_storeu_ps(c, mask, sum);
  }

  const char* sums_ = nullptr;
  Place to_;
  const float *rows_ = nullptr, *columns_ = nullptr;
  int64_t next_ = 0;
};

// The same of a product that is wanted with its columns as rows: transposed tile by tile. What Place says is of the result.
template <class Scheme>
class Turned {
 public:
  template <bool tall>
  void begin(const void* sums, const Place& to, const float* rows, const float* columns) {
    sums_ = static_cast<const char*>(sums), to_ = to, rows_ = rows, columns_ = columns, next_ = 0, across_ = tall ? 1 : 2;
  }
  TOKENLENSE_AMX void some(int64_t rows) {
    for (const int64_t last = std::min(next_ + rows, 4 / across_ * kTile); next_ < last; ++next_) {
      const int64_t r = next_ % kTile, tile = next_ / kTile;
      for (int64_t b = 0; b < across_; ++b)
        _mm512_store_ps(tiles_[b] + r * kTile,
                        Scheme::sum(sums_ + ((tile * across_ + b) * kWords + r * kTile) * 4, rows_[next_], columns_ + b * kTile));
      if (r == kTile - 1)
        for (int64_t b = 0; b < across_; ++b) put(tile, b);
    }
  }
  TOKENLENSE_AMX void finish() { some(4 * kTile); }

 private:
  TOKENLENSE_AMX void put(int64_t tile, int64_t b) {
    transpose16(tiles_[b]);
    const __mmask16 mask = mask_of(to_.columns - tile * kTile);
    float* c = to_.c + b * kTile * to_.pitch + tile * kTile;
    for (int64_t r = 0; r < std::min(kTile, to_.rows - b * kTile); ++r, c += to_.pitch) {
      __m512 sum = _mm512_load_ps(tiles_[b] + r * kTile);
      if (to_.accumulate) sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(mask, c));
      _mm512_mask_storeu_ps(c, mask, sum);
    }
  }

  alignas(64) float tiles_[2][kWords];
  const char* sums_ = nullptr;
  Place to_;
  const float *rows_ = nullptr, *columns_ = nullptr;
  int64_t next_ = 4 * kTile, across_ = 1;
};

// Tiles of 16 rows (or columns) each, one after another, and what a row's sums are multiplied with.
struct Side {
  const char* tiles;
  int64_t apart;  // bytes
  const float* scales;

  const char* at(int64_t tile) const { return tiles + tile * apart; }
};

// What is multiplied, and what is done beside: the results before, and some more.
template <class Scheme, class Before, class More>
struct Block {
  Side left, right;
  int64_t steps;
  char* sums;
  Place to;
  Before& before;
  More& more;
  int64_t each = (kPair - 1) / (steps * Scheme::kProducts) + 1;  // rows of results at a time
  int64_t fetched = to.first;                                    // rows of c

  // Of the tiles at so many bytes of each side, and what goes on beside. near: the columns' stay in the first-level cache.
  template <Numbers numbers, bool tall>
  TOKENLENSE_AMX void multiply(int64_t l, int64_t r, bool near) {
    if constexpr (tall) {
      multiply_tall<numbers>(left.tiles + l, left.apart, right.tiles + r);
    } else {
      stream_left(left.at(0) + l, left.at(1) + l);
      if (near)
        load_right(right.at(0) + r, right.at(1) + r);
      else
        stream_right(right.at(0) + r, right.at(1) + r);
      multiply_loaded<numbers>();
    }
    beside();
  }

 private:
  TOKENLENSE_AMX void beside() {
    before.some(each);
    more.some();
    for (const int64_t last = std::min(fetched + each, to.rows); fetched < last; ++fetched) {
      const float* c = to.c + fetched * to.pitch;  // written soon
      __builtin_prefetch(c, 1);
      __builtin_prefetch(c + kTile, 1);
    }
  }
};

// Blocks one after another: each one's results are written while the next is multiplied.
template <class Scheme, template <class> class Before = Results>
class Blocks {
 public:
  // Both sides' scales are read until the next block is done.
  template <bool tall = false, class More>
  TOKENLENSE_AMX void multiply(const Side& left, const Side& right, int64_t steps, const Place& to, More& more) {
    Block<Scheme, Before<Scheme>, More> block{left, right, steps, sums_[which_], to, results_, more};
    Scheme::template multiply<tall>(block);
    results_.finish();
    results_.template begin<tall>(sums_[which_], to, left.scales, right.scales);
    which_ ^= 1;
  }
  TOKENLENSE_AMX void finish() { results_.finish(); }

 private:
  alignas(64) char sums_[2][Scheme::kLevels * kLevelBytes];
  Before<Scheme> results_;
  int which_ = 0;
};

}  // namespace tokenlense::amx
