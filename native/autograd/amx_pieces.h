#pragma once
#include <array>
#include <map>
#include <optional>
#include <vector>

#include "amx.h"
#include "amx_memory.h"
#include "amx_tiles.h"

// Memory of a product's tiles, and what of it is kept for the next product. Only for amx_product.cc.

namespace tokenlense {
namespace amx {

constexpr int64_t kRightBytes = 4 << 20;  // of columns' tiles at a time
constexpr int64_t kMostColumns = 8192;    // likewise

// Tiles of some columns at depths of one scale; and for each column what sums are multiplied with.
struct Piece {
  char* tiles = nullptr;
  float* scales = nullptr;
};

}  // namespace amx

struct KeptTiles::Store {
  explicit Store(int64_t bytes) : capacity(bytes) {}

  struct Kept {
    at::Tensor matrix;  // held, so that no other comes to lie there
    std::vector<amx::Piece> pieces;
  };
  // Nothing where it does not fit.
  amx::Piece take(int64_t columns, int64_t bytes) {
    const int64_t scales = amx::ceil_to(columns * static_cast<int64_t>(sizeof(float)), amx::kBytes);
    if (used + bytes + scales > capacity) return {};
    if (!memory) memory.emplace(capacity);
    const amx::Piece piece{memory->at(used), reinterpret_cast<float*>(memory->at(used + bytes))};
    used += bytes + scales;
    return piece;
  }

  int64_t capacity, used = 0;
  std::optional<amx::Memory> memory;
  std::map<std::array<int64_t, 4>, Kept> matrices;
};

namespace amx {

inline thread_local KeptTiles::Store* store_of_this_thread = nullptr;

// Where a product's columns' tiles are, piece by piece: kept, or in memory that each piece takes anew.
class Pieces {
 public:
  Pieces(const at::Tensor& matrix, bool transposed) {
    if (store_of_this_thread == nullptr) return;
    const auto address = reinterpret_cast<int64_t>(matrix.const_data_ptr());
    kept_ = &store_of_this_thread->matrices[{address, matrix.size(0), matrix.size(1), transposed}];
    kept_->matrix = matrix;
  }
  // body(piece) where the tiles are not there yet.
  template <class Body>
  Piece next(int64_t columns, int64_t bytes, const Body& body) {
    Piece piece;
    if (kept_ != nullptr) {
      if (next_ == kept_->pieces.size()) kept_->pieces.emplace_back();
      Piece& own = kept_->pieces[next_++];
      if (own.tiles != nullptr) return own;
      piece = own = store_of_this_thread->take(columns, bytes);
    }
    if (piece.tiles == nullptr) {
      thread_local const Memory scratch(kRightBytes + kMostColumns * sizeof(float));
      piece = {scratch.at(0), reinterpret_cast<float*>(scratch.at(kRightBytes))};
    }
    body(piece);
    return piece;
  }

 private:
  KeptTiles::Store::Kept* kept_ = nullptr;
  size_t next_ = 0;
};

}  // namespace amx
}  // namespace tokenlense
