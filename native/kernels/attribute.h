#pragma once
#include <variant>

#include "gradient.h"
#include "internals.h"
#include "path.h"
#include "perturbation.h"

namespace tokenlense {

/// One kernel per kind of attribution.
using AttributionPlan = std::variant<GradientPlan, PathPlan, PerturbationPlan, InternalsPlan>;

AttributionResult attribute(const Model& model, const AttributionPlan& plan, TaskContext& context);

}  // namespace tokenlense
