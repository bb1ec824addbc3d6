#include "gemm_paths.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/native/CPUBlas.h>

#include <algorithm>
#include <vector>

#include "amx.h"
#include "gemm.h"
#include "rows.h"

namespace tokenlense {
namespace {

constexpr int64_t kRowBlock = 128;
constexpr int64_t kColumnBlock = 64;
// 576 rows of a 64-column panel are 144 KiB: panel, row block and result stay in a 1 MiB second-level cache.
constexpr int64_t kDepthBlock = 576;
// From this width on each row of a panel lies on a page of its own, and walking down it misses the TLB: it is copied together first, for
// all rows, unless it is too deep for the cache.
constexpr int64_t kPackedWidth = 1024;
constexpr int64_t kPackedDepth = 16 * kDepthBlock;

// Longest chain of additions into one float32; deeper products are summed in slices.
// Forward: the gradient of a confident output is most sensitive to rounding of the hidden states, and the forward pass is cheap.
// Backward: the gradient of a softmax over a vocabulary is a sum of tens of thousands of small terms that nearly cancels one large one;
// added to it one by one they are lost below its last bit, an error of 1e-4 in the result.
constexpr int64_t kForwardChain = 96;
constexpr int64_t kBackwardChain = 4 * kDepthBlock;

TOKENLENSE_VECTORISED void add_tile(float* c, int64_t ldc, const float* part, int64_t ldp, int64_t rows, int64_t columns) {
  for (int64_t i = 0; i < rows; ++i, c += ldc, part += ldp) {
#pragma omp simd
    for (int64_t j = 0; j < columns; ++j) c[j] += part[j];
  }
}

// gemm_tile of any depth, on at most kRowBlock × kColumnBlock.
void gemm_deep_tile(int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* b, int64_t ldb, float* c, int64_t ldc,
                    int64_t chain) {
  alignas(64) float part[kRowBlock * kColumnBlock];
  for (int64_t d = 0; d < k; d += chain) {
    float* to = d == 0 ? c : part;
    const int64_t pitch = d == 0 ? ldc : kColumnBlock, end = std::min(k, d + chain);
    for (int64_t e = d; e < end; e += kDepthBlock)
      gemm_tile(m, n, std::min(kDepthBlock, end - e), a + e, lda, b + e * ldb, ldb, to, pitch, e > d);
    if (d > 0) add_tile(c, ldc, part, kColumnBlock, m, n);
  }
}

// Weights may be kept in half the memory; products are float32 all the same, of blocks converted as they are needed.
template <class Weight>
void load(const Weight* from, float* to, int64_t count) {
  for (int64_t j = 0; j < count; ++j) to[j] = static_cast<float>(from[j]);
}

template <class Body>
auto by_dtype(const at::Tensor& matrix, const Body& body) {
  if (matrix.scalar_type() == at::kBFloat16) return body(matrix.const_data_ptr<at::BFloat16>());
  if (matrix.scalar_type() == at::kHalf) return body(matrix.const_data_ptr<at::Half>());
  return body(matrix.const_data_ptr<float>());
}

template <class Weight>
at::Tensor tiled(const at::Tensor& rows, const at::Tensor& matrix, const Weight* b) {
  const int64_t m = rows.size(0), k = rows.size(1), n = matrix.size(1), pitch = rows.stride(0);
  at::Tensor result = at::empty({m, n}, rows.options());
  const float* a = rows.const_data_ptr<float>();
  float* c = result.data_ptr<float>();
  const int64_t row_blocks = (m + kRowBlock - 1) / kRowBlock, column_blocks = (n + kColumnBlock - 1) / kColumnBlock;
  constexpr bool plain = std::is_same_v<Weight, float>;
  const bool pack = !plain || (n >= kPackedWidth && row_blocks > 1 && k <= kPackedDepth);
  at::Tensor panels = at::empty({pack ? at::get_num_threads() : 0, k, kColumnBlock}, rows.options());
  float* packed = panels.data_ptr<float>();
  // Column panels outermost: neighbours in time share the panel of B. A packed one serves all rows.
  const int64_t tasks_per_panel = pack ? 1 : row_blocks, height = pack ? m : kRowBlock;
  share_tasks(column_blocks * tasks_per_panel, [&](int64_t t) {
    const int64_t j = t / tasks_per_panel * kColumnBlock, width = std::min(kColumnBlock, n - j), first = t % tasks_per_panel * kRowBlock;
    const float* panel = nullptr;
    if constexpr (plain) panel = b + j;
    if (pack) {
      float* own = packed + at::get_thread_num() * k * kColumnBlock;
      for (int64_t d = 0; d < k; ++d) load(b + j + d * n, own + d * kColumnBlock, width);
      panel = own;
    }
    for (int64_t i = first; i < std::min(m, first + height); i += kRowBlock)
      gemm_deep_tile(std::min(kRowBlock, m - i), width, k, a + i * pitch, pitch, panel, pack ? kColumnBlock : n, c + i * n + j, n,
                     kBackwardChain);
  });
  return result;
}

// The weight is the left operand as it lies in memory, so that nothing but the few rows is transposed: into panels of whole vectors.
template <class Weight>
at::Tensor tiled_transposed(const at::Tensor& rows, const at::Tensor& weight, const Weight* a) {
  const int64_t m = rows.size(0), k = rows.size(1), n = weight.size(0);
  const int64_t panels = (m + kColumnBlock - 1) / kColumnBlock, panel = k * kColumnBlock;
  at::Tensor columns = at::empty({panels, k, kColumnBlock}, rows.options()), result = at::empty({m, n}, rows.options());
  const float* in = rows.const_data_ptr<float>();
  float *b = columns.data_ptr<float>(), *out = result.data_ptr<float>();
  const int64_t pitch = rows.stride(0);
  share_tasks(panels, [&](int64_t p) {
    const int64_t width = std::min(kColumnBlock, m - p * kColumnBlock);
    if (width < kColumnBlock) std::fill_n(b + p * panel, panel, 0.f);
    transpose_tile(in + p * kColumnBlock * pitch, pitch, b + p * panel, kColumnBlock, width, k);
  });
  const int64_t blocks = (n + kRowBlock - 1) / kRowBlock;
  share_tasks(blocks, [&](int64_t t) {
    alignas(64) float tile[kRowBlock * kColumnBlock];
    const int64_t i = t * kRowBlock, height = std::min(kRowBlock, n - i);
    const float* block = nullptr;
    if constexpr (std::is_same_v<Weight, float>) {
      block = a + i * k;
    } else {
      thread_local std::vector<float> own;
      own.resize(kRowBlock * k);
      load(a + i * k, own.data(), height * k);
      block = own.data();
    }
    for (int64_t p = 0; p < panels; ++p) {
      const int64_t j = p * kColumnBlock, width = std::min(kColumnBlock, m - j), padded = (width + 15) / 16 * 16;
      gemm_deep_tile(height, padded, k, block, k, b + p * panel, kColumnBlock, tile, kColumnBlock, kForwardChain);
      transpose_tile(tile, kColumnBlock, out + j * n + i, n, height, width);
    }
  });
  return result;
}

using PointwiseLinear = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, std::string_view,
                                   c10::List<std::optional<at::Scalar>>, std::optional<std::string_view>);

const auto& onednn_linear() {
  static const auto op = [] {
    auto schema = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
    std::optional<c10::TypedOperatorHandle<PointwiseLinear>> handle;
    if (schema) handle = schema->typed<PointwiseLinear>();
    return handle;
  }();
  return op;
}

at::Tensor onednn(const at::Tensor& rows, const at::Tensor& weight) {
  return onednn_linear()->call(rows, weight, std::nullopt, "none", c10::List<std::optional<at::Scalar>>(), "");
}

// One row alone is generation, bound by memory, and nothing is differentiated.
int64_t chain_of(const at::Tensor& rows, bool transposed) {
  return !transposed ? kBackwardChain : rows.size(0) > 1 ? kForwardChain : rows.size(1);
}

}  // namespace

bool available(Path path, const at::Tensor& rows, const at::Tensor& matrix, bool transposed) {
  if (path == Path::tiled) return true;
  if (path == Path::amx_few_rows) return has_amx() && transposed && rows.size(0) <= kMostFewRows;
  if (path == Path::amx) return has_amx();
  if (matrix.scalar_type() != at::kFloat) return false;
  // A slice of a weight's columns, which forward chains need, has no fast kernel in oneDNN.
  return path != Path::onednn || (onednn_linear().has_value() && !(transposed && rows.size(1) > chain_of(rows, transposed)));
}

at::Tensor run(Path path, const at::Tensor& rows, const at::Tensor& matrix, bool transposed) {
  if (path == Path::tiled)
    return by_dtype(matrix,
                    [&](const auto* values) { return transposed ? tiled_transposed(rows, matrix, values) : tiled(rows, matrix, values); });
  if (path == Path::amx_few_rows) return amx_few_rows_product(rows, matrix);
  if (path == Path::amx) return amx_product(rows, matrix, transposed);
  const int64_t depth = rows.size(1), chain = chain_of(rows, transposed);
  at::Tensor sum;
  for (int64_t d = 0; d < depth; d += chain) {
    const int64_t slice = std::min(chain, depth - d);
    const at::Tensor left = rows.narrow(1, d, slice), right = matrix.narrow(transposed ? 1 : 0, d, slice);
    at::Tensor part;
    if (path == Path::onednn)
      part = onednn(left, transposed ? right : right.t());
    else
      part = transposed ? at::linear(left, right) : at::mm(left, right);
    sum = d == 0 ? part : sum.add_(part);
  }
  return sum;
}

TOKENLENSE_VECTORISED void transpose_tile(const float* a, int64_t lda, float* b, int64_t ldb, int64_t rows, int64_t columns) {
  constexpr int64_t kSquare = 16;  // stays in the first-level cache
  for (int64_t i = 0; i < rows; i += kSquare) {
    const int64_t height = std::min(kSquare, rows - i);
    for (int64_t j = 0; j < columns; j += kSquare) {
      const int64_t width = std::min(kSquare, columns - j);
      for (int64_t y = 0; y < width; ++y)
        for (int64_t x = 0; x < height; ++x) b[(j + y) * ldb + i + x] = a[(i + x) * lda + j + y];
    }
  }
}

void gemm_tile(int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* b, int64_t ldb, float* c, int64_t ldc,
               bool accumulate) {
  at::native::cpublas::brgemm(m, n, k, lda, ldb, ldc, accumulate, a, b, c, /*is_vnni=*/false);
}

at::Tensor empty_rows(int64_t rows, int64_t width, const at::TensorOptions& options) {
  const int64_t pitch = width % 512 == 0 ? width + 16 : width;
  return at::empty({rows, pitch}, options).narrow(1, 0, width);
}

}  // namespace tokenlense
