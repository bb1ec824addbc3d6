#pragma once
#include <ATen/ATen.h>

#include <array>

namespace tokenlense {

/// Ways to a product of float32 rows and a weight.
enum class Path : int {
  tiled,         // oneDNN's micro-kernel under our blocking; weights of half the memory are converted block by block
  onednn,        // its linear
  blas,          // what libtorch's matrix product calls: MKL, OpenBLAS
  amx_digits,    // amx.h
  amx_bfloat16,  // likewise
};
constexpr std::array kPaths = {Path::tiled, Path::onednn, Path::blas, Path::amx_digits, Path::amx_bfloat16};
constexpr std::array<const char*, kPaths.size()> kPathNames = {"onednn-tiles", "onednn", "blas", "amx-digits", "amx-bfloat16"};

/// rows [m, k] float32, its columns side by side; matrix [k, n] or, `transposed`, [n, k], contiguous, float32, bfloat16 or float16.
bool available(Path path, const at::Tensor& rows, const at::Tensor& matrix, bool transposed);
at::Tensor run(Path path, const at::Tensor& rows, const at::Tensor& matrix, bool transposed);

}  // namespace tokenlense
