#include "addon.h"

#include <ATen/Version.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <torch/version.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include <mutex>

#include "archive.h"
#include "arguments.h"
#include "autograd/gemm.h"
#include "error.h"
#include "kernels/attribute.h"
#include "kernels/generate.h"
#include "model.h"
#include "randomise.h"
#include "task.h"
#include "tensor.h"

// What JavaScript sees; src/native.ts has it as types.

namespace tokenlense {
namespace {

const char* engine_name(Engine engine) {
  return engine == Engine::ragged ? "ragged" : engine == Engine::batched ? "batched" : engine == Engine::plain ? "plain" : "forward";
}

Napi::Value attribution_value(Napi::Env env, const AttributionResult& result) {
  Napi::Object object = Napi::Object::New(env), scores = Napi::Object::New(env), stats = Napi::Object::New(env);
  for (const auto& [name, values] : result.step_scores) scores.Set(name, TensorHandle::wrap(env, values));
  stats.Set("engine", engine_name(result.engine));
  stats.Set("flops", result.flops);
  stats.Set("seconds", result.seconds);
  stats.Set("plannedBytes", static_cast<double>(result.planned_bytes));
  stats.Set("block", static_cast<double>(result.block));
  object.Set("scores", TensorHandle::wrap(env, result.scores.cpu()));
  object.Set("stepScores", scores);
  if (result.logits.defined()) object.Set("logits", TensorHandle::wrap(env, result.logits));
  if (result.deltas.defined()) object.Set("deltas", TensorHandle::wrap(env, result.deltas.cpu()));
  if (result.steps.defined()) object.Set("steps", TensorHandle::wrap(env, result.steps.cpu()));
  object.Set("stats", stats);
  return object;
}

template <class T, class Make>
Napi::Value list_of(Napi::Env env, const std::vector<T>& values, const Make& make) {
  Napi::Array list = Napi::Array::New(env, values.size());
  for (size_t i = 0; i < values.size(); ++i) list.Set(static_cast<uint32_t>(i), make(env, values[i]));
  return list;
}

Napi::Value info(const Napi::CallbackInfo& call) {
  Napi::Env env = call.Env();
  return guarded(env, [&] {
    Napi::Object info = Napi::Object::New(env);
    info.Set("libtorch", TORCH_VERSION);
    info.Set("addon", TOKENLENSE_VERSION);
#if defined(__clang__)
    info.Set("compiler", "clang " __clang_version__);
#elif defined(__GNUC__)
    info.Set("compiler", "gcc " __VERSION__);
#else
    info.Set("compiler", "unknown");
#endif
    info.Set("buildFlags", at::show_config());
    info.Set("cpuCapability", at::get_cpu_capability());
    info.Set("threads", at::get_num_threads());
    Napi::Array devices = Napi::Array::New(env);
    devices.Set(0u, "cpu");
    const auto count = at::hasCUDA() ? at::detail::getCUDAHooks().deviceCount() : 0;
    for (int i = 0; i < count; ++i) devices.Set(i + 1, "cuda:" + std::to_string(i));
    info.Set("devices", devices);
    info.Set("externalBuffers", TensorHandle::external_buffers);
    return info;
  });
}

Napi::Value measure(const Napi::CallbackInfo& call) {
  return guarded(call.Env(), [&] {
    return start_task(call.Env(), Lane::compute, call[1], [request = gemm_request(call[0])](TaskContext& context) -> Finish {
      auto report = measure_gemm(request, [&](int64_t done, int64_t total) { context.step(done, total); });
      return [report = std::move(report)](Napi::Env env) -> Napi::Value {
        const auto by_path = [env](const std::map<std::string, double>& values) {
          Napi::Object object = Napi::Object::New(env);
          for (const auto& [name, value] : values) object.Set(name, value);
          return object;
        };
        Napi::Array list = Napi::Array::New(env, report.size());
        for (size_t i = 0; i < report.size(); ++i) {
          Napi::Object entry = Napi::Object::New(env);
          entry.Set("chosen", report[i].chosen);
          entry.Set("paths", by_path(report[i].paths));
          entry.Set("errors", by_path(report[i].errors));
          list.Set(static_cast<uint32_t>(i), entry);
        }
        return list;
      };
    });
  });
}

Napi::Value build(const Napi::CallbackInfo& call) {
  return guarded(call.Env(), [&] {
    return start_task(call.Env(), Lane::files, call[1], [spec = archive_spec(call[0])](TaskContext& context) -> Finish {
      build_archive(spec, context);
      return [](Napi::Env env) { return env.Undefined(); };
    });
  });
}

Napi::Value load(const Napi::CallbackInfo& call) {
  return guarded(call.Env(), [&] {
    const auto path = text_argument(call[0], "path");
    const auto devices = parse_devices(text_argument(call[1], "device"));
    return start_task(call.Env(), Lane::files, call[2], [path, devices](TaskContext& context) -> Finish {
      auto model = load_model(path, devices, context);
      return [model = std::move(model)](Napi::Env env) { return ModelHandle::wrap(env, model); };
    });
  });
}

Napi::Value randomise(const Napi::CallbackInfo& call) {
  return guarded(call.Env(), [&] {
    return start_task(call.Env(), Lane::compute, call[2],
                      [model = ModelHandle::of(call[0]), plan = randomisation_plan(call[1])](TaskContext& context) -> Finish {
                        auto fresh = randomised(*model, plan, context);
                        return [fresh = std::move(fresh)](Napi::Env env) { return ModelHandle::wrap(env, fresh); };
                      });
  });
}

Napi::Value attribute(const Napi::CallbackInfo& call) {
  return guarded(call.Env(), [&] {
    return start_task(call.Env(), Lane::compute, call[2],
                      [model = ModelHandle::of(call[0]), plan = attribution_plan(call[1])](TaskContext& context) -> Finish {
                        auto result = std::make_shared<AttributionResult>(attribute(*model, plan, context));
                        return [result](Napi::Env env) -> Napi::Value { return attribution_value(env, *result); };
                      });
  });
}

Napi::Value attribute_several(const Napi::CallbackInfo& call) {
  return guarded(call.Env(), [&] {
    return start_task(call.Env(), Lane::compute, call[2],
                      [model = ModelHandle::of(call[0]), plans = gradient_plans(call[1])](TaskContext& context) -> Finish {
                        auto results = std::make_shared<std::vector<AttributionResult>>(attribute_together(*model, plans, context));
                        return [results](Napi::Env env) -> Napi::Value { return list_of(env, *results, attribution_value); };
                      });
  });
}

Napi::Value ids_value(Napi::Env env, const std::vector<int64_t>& list) {
  Napi::Int32Array ids = Napi::Int32Array::New(env, list.size());
  for (size_t i = 0; i < list.size(); ++i) ids[i] = static_cast<int32_t>(list[i]);
  return ids;
}

Napi::Value generate_tokens(const Napi::CallbackInfo& call) {
  return guarded(call.Env(), [&] {
    return start_task(call.Env(), Lane::compute, call[2],
                      [model = ModelHandle::of(call[0]), plans = generation_plans(call[1])](TaskContext& context) -> Finish {
                        auto fresh = generate(*model, plans, context);
                        return [fresh = std::move(fresh)](Napi::Env env) -> Napi::Value { return list_of(env, fresh, ids_value); };
                      });
  });
}

void prepare_process() {
  static std::once_flag once;
  std::call_once(once, [] {
#if defined(__GLIBC__)
    // Tensors of a few megabytes come and go by the thousand. By default glibc hands each back to the system at once, and the page
    // faults of the next one cost up to a third of the time.
    mallopt(M_MMAP_THRESHOLD, 256 << 20);
    mallopt(M_TRIM_THRESHOLD, 512 << 20);
    mallopt(M_ARENA_MAX, 1);
#endif
  });
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  return guarded(env, [&] {
    if (std::string(TOKENLENSE_LIBTORCH_VERSION).size() && std::string(TORCH_VERSION).rfind(TOKENLENSE_LIBTORCH_VERSION, 0) != 0)
      throw Error("LIBTORCH",
                  std::string("Built for libtorch ") + TOKENLENSE_LIBTORCH_VERSION + " against headers of " + TORCH_VERSION + ".");
    prepare_process();
    auto* addon = new Addon;
    env.SetInstanceData(addon);
    const Napi::Function tensor = TensorHandle::define(env), model = ModelHandle::define(env);
    // `using` calls this; on Node 20 the symbol is made by TypeScript's or the user's polyfill, so it is set only where it exists.
    const Napi::Value dispose = env.Global().Get("Symbol").As<Napi::Object>().Get("dispose");
    if (dispose.IsSymbol())
      for (const Napi::Function& type : {tensor, model}) {
        Napi::Object prototype = type.Get("prototype").As<Napi::Object>();
        prototype.Set(dispose, prototype.Get("dispose"));
      }
    addon->tensor_type = Napi::Persistent(tensor);
    addon->model_type = Napi::Persistent(model);
    exports.Set("Tensor", tensor);
    exports.Set("info", Napi::Function::New<info>(env, "info"));
    exports.Set("measureGemm", Napi::Function::New<measure>(env, "measureGemm"));
    exports.Set("buildArchive", Napi::Function::New<build>(env, "buildArchive"));
    exports.Set("loadModel", Napi::Function::New<load>(env, "loadModel"));
    exports.Set("randomise", Napi::Function::New<randomise>(env, "randomise"));
    exports.Set("attribute", Napi::Function::New<attribute>(env, "attribute"));
    exports.Set("attributeTogether", Napi::Function::New<attribute_several>(env, "attributeTogether"));
    exports.Set("generate", Napi::Function::New<generate_tokens>(env, "generate"));
    return exports;
  });
}

}  // namespace

NODE_API_MODULE(tokenlense, init)

}  // namespace tokenlense
