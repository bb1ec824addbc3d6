#pragma once
#include <napi.h>

namespace tokenlense {

/// What belongs to one environment (the main thread or one worker): the classes it made.
struct Addon {
  Napi::FunctionReference tensor_type;
  Napi::FunctionReference model_type;
  static Addon& of(Napi::Env env) { return *env.GetInstanceData<Addon>(); }
};

}  // namespace tokenlense
