#pragma once
#include <ATen/ATen.h>

#include <map>
#include <string>
#include <vector>

namespace tokenlense {

/// Row-major float32, one thread: C[m, n] = A[m, k] · B[k, n], or += where `accumulate`.
/// oneDNN's micro-kernel through ATen where the CPU has one, else BLAS; any m, n, k and leading dimensions.
void gemm_tile(int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* b, int64_t ldb, float* c, int64_t ldc,
               bool accumulate);

/// b[columns, rows] = a[rows, columns]ᵀ, one thread.
void transpose_tile(const float* a, int64_t lda, float* b, int64_t ldb, int64_t rows, int64_t columns);

/// An uninitialised float32 matrix whose rows are a little apart where their length is a multiple of a page's: reading down its columns
/// would otherwise hit the same few cache sets again and again.
at::Tensor empty_rows(int64_t rows, int64_t width, const at::TensorOptions& options);

/// rows [..., m, k] · matrix [k, n] → [..., m, n]. The path is chosen by measurement for float32 on CPU; any device and dtype else, and
/// under functorch's batching.
at::Tensor rows_times(const at::Tensor& rows, const at::Tensor& matrix);

/// x [m, k] · weight [n, k]ᵀ → [m, n], chosen likewise.
at::Tensor rows_times_transposed(const at::Tensor& rows, const at::Tensor& weight);

/// True where the hand-written kernels apply.
inline bool is_cpu_float(const at::Tensor& t) { return t.device().is_cpu() && t.scalar_type() == at::kFloat && t.is_contiguous(); }

struct GemmShape {
  int64_t rows, depth, columns;
  bool transposed;  // the weight is [columns, depth]
  at::ScalarType dtype = at::kFloat;
  bool coarse = false;  // while CoarseCotangents lives
};
struct GemmRequest {
  std::vector<GemmShape> shapes;
  double seconds;  // about, for each
};
struct GemmMeasurement {
  std::string chosen;
  std::map<std::string, double> paths;   // GFLOP/s
  std::map<std::string, double> errors;  // largest difference from float64, as a share of the largest value
};
/// Measures all paths at each shape; does not change what was chosen.
std::vector<GemmMeasurement> measure_gemm(const GemmRequest& request, const std::function<void(int64_t, int64_t)>& progress);

/// Floating-point operations of matrix products on this thread since the last reset, multiply and add counted apart.
void reset_flops();
void count_flops(double flops);
double counted_flops();

}  // namespace tokenlense
