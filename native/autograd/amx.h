#pragma once
#include <ATen/ATen.h>

namespace tokenlense {

/// True where the processor multiplies tiles of bfloat16 (Intel AMX) and the system lets this process.
bool has_amx();

/// rows [m, k] float32, columns side by side, times matrix [k, n], or [n, k]ᵀ where `transposed`: contiguous, float32, bfloat16 or
/// float16 → [m, n] float32. Only where has_amx().
/// A float32 is the sum of three bfloat16, a float16 of two; of the products of these parts all that reach a float32's last bit are
/// summed in float32, the small ones first (Henry, Tang, Heinecke 2019, "Leveraging the bfloat16 Artificial Intelligence Datatype For
/// Higher-Precision Computations"). So the result is as near as a float32 product's, and an infinity in it NaN.
/// Where `reduced`, a float32 is two parts, 16 bits: relative errors of 4e-6.
at::Tensor amx_product(const at::Tensor& rows, const at::Tensor& matrix, bool transposed, bool reduced);

}  // namespace tokenlense
