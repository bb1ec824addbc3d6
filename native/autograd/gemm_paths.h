#pragma once
#include <ATen/ATen.h>

#include <array>

namespace tokenlense {

/// Ways to a product of float32 rows and a weight.
enum class Path : int {
  amx_few_rows,  // amx.h
  amx,           // likewise
  tiled,         // oneDNN's micro-kernel under our blocking; weights of half the memory are converted block by block
  onednn,        // its linear
  blas,          // what libtorch's matrix product calls: MKL, OpenBLAS
};
/// Of two that are about as fast, the first is taken.
constexpr std::array kPaths = {Path::amx_few_rows, Path::amx, Path::tiled, Path::onednn, Path::blas};
constexpr std::array<const char*, kPaths.size()> kPathNames = {"amx-few-rows", "amx", "onednn-tiles", "onednn", "blas"};

/// rows [m, k] float32, its columns side by side; matrix [k, n] or, `transposed`, [n, k], contiguous, float32, bfloat16 or float16.
bool available(Path path, const at::Tensor& rows, const at::Tensor& matrix, bool transposed);
at::Tensor run(Path path, const at::Tensor& rows, const at::Tensor& matrix, bool transposed);

}  // namespace tokenlense
