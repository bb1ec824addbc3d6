#include "gemm.h"

#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/native/CPUBlas.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>

#include "rows.h"

namespace tokenlense {
namespace {

thread_local double flops_on_this_thread = 0;

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

// ---- the paths --------------------------------------------------------------------------------------------------

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

enum Path : int { kTiled, kOneDnn, kBlas, kPaths };
constexpr std::array<const char*, kPaths> kNames = {"onednn-tiles", "onednn", "blas"};

// One row alone is generation, bound by memory, and nothing is differentiated.
int64_t chain_of(const at::Tensor& rows, bool transposed) {
  return !transposed ? kBackwardChain : rows.size(0) > 1 ? kForwardChain : rows.size(1);
}

bool available(Path path, const at::Tensor& rows, bool transposed) {
  if (path != kOneDnn) return true;
  // A slice of a weight's columns, which forward chains need, has no fast kernel in oneDNN.
  return onednn_linear().has_value() && !(transposed && rows.size(1) > chain_of(rows, transposed));
}

at::Tensor run(Path path, const at::Tensor& rows, const at::Tensor& matrix, bool transposed) {
  if (path == kTiled)
    return by_dtype(matrix,
                    [&](const auto* values) { return transposed ? tiled_transposed(rows, matrix, values) : tiled(rows, matrix, values); });
  const int64_t depth = rows.size(1), chain = chain_of(rows, transposed);
  at::Tensor sum;
  for (int64_t d = 0; d < depth; d += chain) {
    const int64_t slice = std::min(chain, depth - d);
    const at::Tensor left = rows.narrow(1, d, slice), right = matrix.narrow(transposed ? 1 : 0, d, slice);
    at::Tensor part;
    if (path == kOneDnn)
      part = onednn(left, transposed ? right : right.t());
    else
      part = transposed ? at::linear(left, right) : at::mm(left, right);
    sum = d == 0 ? part : sum.add_(part);
  }
  return sum;
}

// ---- the choice -------------------------------------------------------------------------------------------------

double seconds_now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// One row is bound by memory and many rows by arithmetic; what wins changes between them, hardly within them.
int shape_class(int64_t rows) { return rows == 1 ? 0 : rows < 128 ? 1 : 2; }
constexpr std::array<const char*, 3> kClassNames = {"one row", "below 128 rows", "128 rows and more"};
std::atomic<int> choices[2][3] = {{-1, -1, -1}, {-1, -1, -1}};  // by [transposed][class]; −1: not measured yet

double best_of(int repeats, Path path, const at::Tensor& rows, const at::Tensor& matrix, bool transposed) {
  run(path, rows, matrix, transposed);  // first calls compile kernels
  double best = 1e30;
  for (int i = 0; i < repeats; ++i) {
    const double start = seconds_now();
    run(path, rows, matrix, transposed);
    best = std::min(best, seconds_now() - start);
  }
  return best;
}

// exact: the product's last rows in float64. Largest difference of the path from it, as a share of the largest value.
double error_of(Path path, const at::Tensor& rows, const at::Tensor& matrix, bool transposed, const at::Tensor& exact) {
  const at::Tensor found = run(path, rows, matrix, transposed).narrow(0, rows.size(0) - exact.size(0), exact.size(0));
  return ((found - exact).abs().max() / exact.abs().max()).item<double>();
}

Path choose(const at::Tensor& rows, const at::Tensor& matrix, bool transposed) {
  auto& choice = choices[transposed][shape_class(rows.size(0))];
  if (choice.load() < 0) {
    // Measured on the caller's own operands, cut to about 0.3 GFLOP: a few milliseconds, once per process and class.
    const at::Tensor some = rows.narrow(0, 0, std::min<int64_t>(rows.size(0), 256)).contiguous();
    const at::Tensor part = matrix.narrow(0, 0, transposed ? std::min<int64_t>(matrix.size(0), 1024) : matrix.size(0));
    // In turns, so that a neighbour's burst of work falls on all alike; the first path stays unless another is clearly faster.
    std::array<double, kPaths> seconds;
    seconds.fill(1e30);
    for (int turn = 0; turn < 4; ++turn)
      for (int path = 0; path < kPaths; ++path)
        if (available(Path(path), some, transposed))
          seconds[path] = std::min(seconds[path], best_of(1, Path(path), some, part, transposed));
    int winner = kTiled;
    for (int path = 0; path < kPaths; ++path)
      if (seconds[path] < 0.95 * seconds[winner]) winner = path;
    choice = winner;
  }
  return Path(choice.load());
}

at::Tensor product(const at::Tensor& rows, const at::Tensor& matrix, bool transposed) {
  const int64_t n = matrix.size(transposed ? 0 : 1);
  count_flops(2.0 * rows.size(0) * rows.size(1) * n);
  const bool ours = rows.numel() > 0 && rows.device().is_cpu() && rows.scalar_type() == at::kFloat && rows.stride(1) == 1;
  if (!ours || !matrix.device().is_cpu() || !matrix.is_contiguous() || !matrix.is_floating_point() || matrix.scalar_type() == at::kDouble) {
    const at::Tensor weight = matrix.to(rows.scalar_type());
    return transposed ? at::matmul(rows, weight.t()) : at::matmul(rows, weight);
  }
  return run(is_cpu_float(matrix) ? choose(rows, matrix, transposed) : kTiled, rows, matrix, transposed);
}

}  // namespace

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

at::Tensor rows_times(const at::Tensor& rows, const at::Tensor& matrix) {
  // Functorch's batched tensors have no memory of their own.
  if (rows.key_set().has(c10::DispatchKey::FuncTorchBatched)) return at::matmul(rows, matrix.to(rows.scalar_type()));
  if (rows.dim() == 2) return product(rows, matrix, false);
  auto shape = rows.sizes().vec();
  shape.back() = matrix.size(1);
  return product(rows.reshape({-1, rows.size(-1)}), matrix, false).view(shape);
}

at::Tensor rows_times_transposed(const at::Tensor& rows, const at::Tensor& weight) { return product(rows, weight, true); }

std::vector<GemmMeasurement> measure_gemm(double seconds, const std::function<void(int64_t, int64_t)>& progress) {
  struct Shape {
    int64_t rows, depth, columns;
    bool transposed;
  };
  const std::vector<Shape> shapes = {{1, 576, 3072, true},   {47, 576, 3072, true},     {47, 3072, 576, false},
                                     {384, 576, 576, false}, {768, 3072, 576, false},   {768, 576, 1536, false},
                                     {768, 960, 576, false}, {2048, 2048, 2048, false}, {2048, 2048, 2048, true}};
  std::vector<GemmMeasurement> report;
  for (const auto& shape : shapes) {
    const at::Tensor rows = at::randn({shape.rows, shape.depth});
    const at::Tensor matrix = shape.transposed ? at::randn({shape.columns, shape.depth}) : at::randn({shape.depth, shape.columns});
    const double work = 2.0 * shape.rows * shape.depth * shape.columns;
    const int repeats = std::clamp<int>(static_cast<int>(seconds * 1e11 / work), 3, 2000);
    GemmMeasurement measured{std::to_string(shape.rows) + "x" + std::to_string(shape.depth) + "·" + std::to_string(shape.depth) + "x" +
                                 std::to_string(shape.columns) + (shape.transposed ? " (weight transposed)" : ""),
                             "",
                             {},
                             0};
    const int64_t last = std::min<int64_t>(shape.rows, 16);  // where blocks end
    const at::Tensor exact =
        at::mm(rows.narrow(0, shape.rows - last, last).to(at::kDouble), (shape.transposed ? matrix.t() : matrix).to(at::kDouble));
    for (int path = 0; path < kPaths; ++path) {
      if (!available(Path(path), rows, shape.transposed)) continue;
      measured.paths[kNames[path]] = work / best_of(repeats, Path(path), rows, matrix, shape.transposed) / 1e9;
      measured.error = std::max(measured.error, error_of(Path(path), rows, matrix, shape.transposed, exact));
    }
    measured.chosen = kNames[choose(rows, matrix, shape.transposed)];
    report.push_back(std::move(measured));
    if (progress) progress(report.size(), shapes.size());
  }
  return report;
}

void reset_flops() { flops_on_this_thread = 0; }
void count_flops(double flops) { flops_on_this_thread += flops; }
double counted_flops() { return flops_on_this_thread; }

}  // namespace tokenlense
