#pragma once
#include <napi.h>

#include <atomic>
#include <functional>
#include <memory>

// Work away from the JavaScript thread. TypeScript starts a task and gets { promise, cancel }.
//
// Two lanes, each one thread for the whole process: `compute` (attribution, generation, measuring) and `files` (loading,
// building). libtorch already uses every core within one task, so a second one beside it would only take its caches;
// and libuv's pool stays free. Tasks of one lane run in the order in which they were started.

namespace tokenlense {

/// What the work sees of its task.
class TaskContext {
 public:
  virtual ~TaskContext() = default;
  /// Reports `done` of `total`, and throws when the task was cancelled: call it once per block.
  virtual void step(int64_t done, int64_t total) = 0;
  /// Throws when the task was cancelled.
  virtual void check() const = 0;
};

enum class Lane { compute, files };

/// Makes the JavaScript value of the result, on the JavaScript thread.
using Finish = std::function<Napi::Value(Napi::Env)>;
/// Runs on the lane's thread, under at::NoGradGuard. Any exception rejects the promise with a code.
using Work = std::function<Finish(TaskContext&)>;

/// Starts a task; `on_progress` may be undefined. Returns { promise, cancel }.
Napi::Object start_task(Napi::Env env, Lane lane, Napi::Value on_progress, Work work);

/// A JavaScript error with code and hint from the exception being handled. Call in a catch block.
Napi::Error to_js_error(Napi::Env env, std::exception_ptr exception);

/// Runs `body` and turns any C++ exception into a JavaScript one.
template <class Body>
auto guarded(Napi::Env env, Body&& body) -> decltype(body()) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw to_js_error(env, std::current_exception());
  }
}

}  // namespace tokenlense
