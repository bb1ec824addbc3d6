#pragma once
#include "ragged.h"

namespace tokenlense {

/// Full-shape cotangents [k, ...output] → [k, ...input]: k vector-Jacobian products in one pass over torch's own graph, by functorch's
/// vmap.
at::Tensor batched_vjp(const Stage& stage, const at::Tensor& cotangents);

/// The same, one after the other: the plain twin.
at::Tensor looped_vjp(const Stage& stage, const at::Tensor& cotangents);

}  // namespace tokenlense
