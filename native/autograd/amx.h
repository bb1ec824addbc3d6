#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <memory>

namespace tokenlense {

/// True where the processor multiplies tiles of bytes and of bfloat16 (Intel AMX) and the system lets this process.
bool has_amx();

// rows [m, k] float32, columns side by side, times matrix [k, n], or [n, k]ᵀ where `transposed`, contiguous, float32, bfloat16 or float16
// → [m, n] float32. Only where has_amx(). An infinity in a row or column makes NaN of all that it takes part in.

/// Float32 and float16: each row and column, 576 of its depth at a time, is taken as whole numbers of 24 bits in units of its largest
/// value, and these as three digits of eight bits, whose products and sums in 32 bits are exact (Ootomo, Ozaki, Yokota 2024, "DGEMM on
/// Integer Matrix Multiplication Unit"); products of digits below the last bit are left out. Four digits, 32 bits, where `transposed`, for
/// the gradient of a confident output is most sensitive to rounding of a forward pass; and where n > k, unless CoarseCotangents lives: what
/// comes out of an MLP's way out backward is multiplied by its inner values, of which some are a thousand times the others.
/// Errors: about 1e-6 of the largest value, as oneDNN's; of four digits 1e-7, no more than the last bit of float32.
/// Beside a bfloat16 matrix, which has 8 bits, 16 of a row's values are kept where `transposed`, as the sum of two bfloat16, relative
/// errors of 4e-6; else 8, a cotangent's, relative errors of 2e-3, which move the scores less than the rounding of the weights does. By
/// DeepLIFT's rules (current_rules()) 16 too: its multipliers are summed times differences, of which some are a thousand times the others.
at::Tensor amx_product(const at::Tensor& rows, const at::Tensor& matrix, bool transposed);

constexpr int64_t kMostFewRows = 128;

/// Of at most kMostFewRows rows, matrix [n, k] as it lies in memory, which bounds it; as precise as amx_product where `transposed`.
at::Tensor amx_few_rows_product(const at::Tensor& rows, const at::Tensor& matrix);

/// While it lives, amx_product on this thread multiplies all cotangents by three digits: for gradients of which many are summed.
class CoarseCotangents {
 public:
  CoarseCotangents();
  ~CoarseCotangents();
  CoarseCotangents(const CoarseCotangents&) = delete;
  CoarseCotangents& operator=(const CoarseCotangents&) = delete;

 private:
  bool before_;
};

/// While it lives, amx_product on this thread keeps its matrices as tiles, and the matrices, for the next product with them, as far as
/// `bytes` reach: of float32 three quarters of what they take, by four digits all, of bfloat16 as much.
class KeptTiles {
 public:
  explicit KeptTiles(int64_t bytes);
  ~KeptTiles();
  KeptTiles(const KeptTiles&) = delete;
  KeptTiles& operator=(const KeptTiles&) = delete;
  /// For other matrices. The memory stays.
  void clear();

  struct Store;

 private:
  std::unique_ptr<Store> store_;
  Store* before_;
};

}  // namespace tokenlense
