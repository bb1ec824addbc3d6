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

/// Several texts at once. Time and arithmetic are those of all, each text with its share by the rows of its products.
std::vector<AttributionResult> attribute_together(const Model& model, const std::vector<GradientPlan>& plans, TaskContext& context);

}  // namespace tokenlense
