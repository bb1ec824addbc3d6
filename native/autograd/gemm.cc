#include "gemm.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>
#endif

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#include <vector>

#include "amx.h"
#include "gemm_paths.h"

namespace tokenlense {
namespace {

thread_local double flops_on_this_thread = 0;

double seconds_now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// One row is bound by memory and many rows by arithmetic; what wins changes between them, hardly within them. A path that may win in a
// class must be able to run all of it.
int shape_class(int64_t rows) { return rows == 1 ? 0 : rows <= kMostFewRows ? 1 : 2; }

// Which path won, by what was asked for; −1: not measured yet.
struct Choices {
  std::atomic<int> by_class[3] = {-1, -1, -1};
};
Choices choices[2];  // by [transposed]

double seconds_of(Path path, const at::Tensor& rows, const at::Tensor& matrix, bool transposed) {
  const double start = seconds_now();
  run(path, rows, matrix, transposed);
  return seconds_now() - start;
}

double best_of(int repeats, Path path, const at::Tensor& rows, const at::Tensor& matrix, bool transposed) {
  run(path, rows, matrix, transposed);  // first calls compile kernels
  double best = 1e30;
  for (int i = 0; i < repeats; ++i) best = std::min(best, seconds_of(path, rows, matrix, transposed));
  return best;
}

// Out of all caches: a model's weights are larger than these, so each is read from memory whenever its turn comes.
#if defined(__x86_64__) && defined(__GNUC__)
__attribute__((target("clflushopt"))) void evict(const at::Tensor& matrix) {
  static const bool able = [] {
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 23 & 1);
  }();
  if (!able) return;
  const auto* bytes = static_cast<const char*>(matrix.const_data_ptr());
  for (size_t i = 0; i < matrix.nbytes(); i += 64) __builtin_ia32_clflushopt(bytes + i);
  __builtin_ia32_mfence();
}
#else
void evict(const at::Tensor&) {}
#endif

// exact: the product's last rows in float64. Largest difference of the path from it, as a share of the largest value.
double error_of(Path path, const at::Tensor& rows, const at::Tensor& matrix, bool transposed, const at::Tensor& exact) {
  const at::Tensor found = run(path, rows, matrix, transposed).narrow(0, rows.size(0) - exact.size(0), exact.size(0));
  return ((found - exact).abs().max() / exact.abs().max()).item<double>();
}

Path choose(const at::Tensor& rows, const at::Tensor& matrix, bool transposed) {
  // Weights of half the memory take one path, the fastest, so that runs repeat to the bit. Beside a bfloat16's 8 bits, 16 of the other
  // factor's are plenty, and of a cotangent 8.
  if (matrix.scalar_type() != at::kFloat) {
    const Path path = transposed && rows.size(0) <= kMostFewRows ? Path::amx_few_rows : Path::amx;
    return available(path, rows, matrix, transposed) ? path : Path::tiled;
  }
  auto& choice = choices[transposed].by_class[shape_class(rows.size(0))];
  if (choice.load() < 0) {
    // Measured on the caller's own operands, cut to 1 GFLOP at most: some milliseconds, once per process and class.
    const at::Tensor some = rows.narrow(0, 0, std::min<int64_t>(rows.size(0), 768)).contiguous();
    const at::Tensor part = matrix.narrow(0, 0, transposed ? std::min<int64_t>(matrix.size(0), 1024) : matrix.size(0));
    std::vector<Path> paths;
    for (const Path path : kPaths)
      if (available(path, some, part, transposed)) paths.push_back(path);
    // In turns, so that a neighbour's burst of work falls on all alike; the first path stays unless another is clearly faster.
    std::vector<double> seconds(paths.size(), 1e30);
    for (int turn = 0; turn < 5 && paths.size() > 1; ++turn)
      for (size_t i = 0; i < paths.size(); ++i) {
        evict(part);
        const double taken = seconds_of(paths[i], some, part, transposed);
        if (turn > 0) seconds[i] = std::min(seconds[i], taken);  // first calls compile kernels
      }
    size_t winner = 0;
    for (size_t i = 0; i < paths.size(); ++i)
      if (seconds[i] < 0.95 * seconds[winner]) winner = i;
    choice = static_cast<int>(paths[winner]);
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
  return run(choose(rows, matrix, transposed), rows, matrix, transposed);
}

}  // namespace

at::Tensor rows_times(const at::Tensor& rows, const at::Tensor& matrix) {
  // Functorch's batched tensors have no memory of their own.
  if (rows.key_set().has(c10::DispatchKey::FuncTorchBatched)) return at::matmul(rows, matrix.to(rows.scalar_type()));
  if (rows.dim() == 2) return product(rows, matrix, false);
  auto shape = rows.sizes().vec();
  shape.back() = matrix.size(1);
  return product(rows.reshape({-1, rows.size(-1)}), matrix, false).view(shape);
}

at::Tensor rows_times_transposed(const at::Tensor& rows, const at::Tensor& weight) { return product(rows, weight, true); }

std::vector<GemmMeasurement> measure_gemm(const GemmRequest& request, const std::function<void(int64_t, int64_t)>& progress) {
  std::vector<GemmMeasurement> report;
  for (const auto& shape : request.shapes) {
    const at::Tensor rows = at::randn({shape.rows, shape.depth});
    const at::Tensor matrix =
        (shape.transposed ? at::randn({shape.columns, shape.depth}) : at::randn({shape.depth, shape.columns})).to(shape.dtype);
    const double work = 2.0 * shape.rows * shape.depth * shape.columns;
    const int repeats = std::clamp<int>(static_cast<int>(request.seconds * 1e11 / work), 1, 2000);
    GemmMeasurement measured;
    std::optional<CoarseCotangents> coarse;
    if (shape.coarse) coarse.emplace();
    const int64_t last = std::min<int64_t>(shape.rows, 48);  // where blocks end
    const at::Tensor exact =
        at::mm(rows.narrow(0, shape.rows - last, last).to(at::kDouble), (shape.transposed ? matrix.t() : matrix).to(at::kDouble));
    for (const Path path : kPaths) {
      if (!available(path, rows, matrix, shape.transposed)) continue;
      const std::string name = kPathNames[static_cast<int>(path)];
      measured.paths[name] = work / best_of(repeats, path, rows, matrix, shape.transposed) / 1e9;
      measured.errors[name] = error_of(path, rows, matrix, shape.transposed, exact);
    }
    measured.chosen = kPathNames[static_cast<int>(choose(rows, matrix, shape.transposed))];
    report.push_back(std::move(measured));
    if (progress) progress(report.size(), request.shapes.size());
  }
  return report;
}

void reset_flops() { flops_on_this_thread = 0; }
void count_flops(double flops) { flops_on_this_thread += flops; }
double counted_flops() { return flops_on_this_thread; }

}  // namespace tokenlense
