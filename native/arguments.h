#pragma once
#include <napi.h>

#include "archive.h"
#include "autograd/gemm.h"
#include "kernels/attribute.h"
#include "kernels/generate.h"
#include "randomise.h"

// From JavaScript values to plans. src/native.ts has the same shapes as types; a value of another type is an Error, not a crash.

namespace tokenlense {

std::string text_argument(const Napi::Value& value, const char* name);
GemmRequest gemm_request(const Napi::Value& value);
ArchiveSpec archive_spec(const Napi::Value& value);
AttributionPlan attribution_plan(const Napi::Value& value);
std::vector<GradientPlan> gradient_plans(const Napi::Value& value);
std::vector<GenerationPlan> generation_plans(const Napi::Value& value);
Randomisation randomisation_plan(const Napi::Value& value);

}  // namespace tokenlense
