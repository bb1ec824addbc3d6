#include "task.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <thread>

#include "error.h"
#include "pch.h"

namespace tokenlense {
namespace {

using Clock = std::chrono::steady_clock;

class Task;

// One thread and its queue. Never destroyed: at exit the thread may still wait on it, and the process's end takes it.
class Queue {
 public:
  static Queue& of(Lane lane) {
    static Queue* lanes[2] = {new Queue, new Queue};
    return *lanes[static_cast<int>(lane)];
  }
  void push(std::shared_ptr<Task> task) {
    std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    ready_.notify_one();
  }

 private:
  Queue() {
    std::thread([this] { loop(); }).detach();
  }
  void loop();
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::shared_ptr<Task>> tasks_;
};

class Task : public TaskContext, public std::enable_shared_from_this<Task> {
 public:
  Task(Napi::Env env, Napi::Value on_progress, Work work) : deferred_(env), work_(std::move(work)) {
    if (on_progress.IsFunction()) on_progress_ = Napi::Persistent(on_progress.As<Napi::Function>());
    channel_ = Napi::ThreadSafeFunction::New(env, Napi::Function(), "tokenlense", 0, 1);
  }

  Napi::Promise promise() const { return deferred_.Promise(); }
  void cancel() { cancelled_ = true; }

  void check() const override {
    if (cancelled_) throw Error("CANCELLED", "The work was cancelled.");
  }

  void step(int64_t done, int64_t total) override {
    check();
    done_ = done;
    total_ = total;
    const auto now = Clock::now();
    if (done < total && now - told_ < std::chrono::milliseconds(40)) return;
    told_ = now;
    if (progress_waiting_.exchange(true)) return;  // the last one is still on its way and will carry these numbers
    auto self = shared_from_this();
    if (channel_.NonBlockingCall([self](Napi::Env env, Napi::Function) { self->tell_progress(env); }) != napi_ok) progress_waiting_ = false;
  }

  // On the lane's thread.
  void run() {
    std::exception_ptr failure;
    Finish finish;
    try {
      check();
      at::NoGradGuard no_grad;
      finish = work_(*this);
      check();
    } catch (...) {
      failure = std::current_exception();
    }
    work_ = nullptr;  // models and tensors it held go now, not when the garbage collector comes
    auto self = shared_from_this();
    // The environment may be gone (a worker was ended); then the call fails and the result dies here.
    channel_.BlockingCall(
        [self, finish = std::move(finish), failure](Napi::Env env, Napi::Function) { self->settle(env, finish, failure); });
    channel_.Release();
    {
      std::lock_guard lock(mutex_);
      finished_ = true;
    }
    done_signal_.notify_all();
  }

  /// Until its work is over, after which it touches nothing of JavaScript's; on the environment's own thread, as its end demands: the
  /// lane's thread may be the last to hold the task, and must find no reference to free.
  void outlive_environment() {
    std::unique_lock lock(mutex_);
    done_signal_.wait(lock, [&] { return finished_; });
    on_progress_.Reset();
  }

 private:
  void tell_progress(Napi::Env env) {
    progress_waiting_ = false;
    if (!on_progress_.IsEmpty() && !settled_)
      on_progress_.Call({Napi::Number::New(env, double(done_.load())), Napi::Number::New(env, double(total_.load()))});
  }

  void settle(Napi::Env env, const Finish& finish, std::exception_ptr failure);

  Napi::Promise::Deferred deferred_;
  Napi::FunctionReference on_progress_;
  Napi::ThreadSafeFunction channel_;
  Work work_;
  std::atomic<bool> cancelled_ = false, progress_waiting_ = false;
  std::atomic<int64_t> done_ = 0, total_ = 0;
  Clock::time_point told_{};
  bool settled_ = false;
  bool finished_ = false;
  std::mutex mutex_;
  std::condition_variable done_signal_;
};

void Queue::loop() {
  for (;;) {
    std::shared_ptr<Task> task;
    {
      std::unique_lock lock(mutex_);
      ready_.wait(lock, [&] { return !tasks_.empty(); });
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task->run();
  }
}

// The unfinished tasks of each environment: when it ends, they are cancelled and waited for, so that no thread of ours touches
// a dead environment, and none is inside libtorch when the process takes its libraries down.
struct Unfinished {
  std::set<std::shared_ptr<Task>> tasks;
};
thread_local std::unique_ptr<Unfinished> unfinished;  // an environment lives on one thread

void end_tasks(void*) {
  if (!unfinished) return;
  for (const auto& task : unfinished->tasks) task->cancel();
  for (const auto& task : unfinished->tasks) task->outlive_environment();
  unfinished->tasks.clear();
}

// process.exit() runs no cleanup hooks, only JavaScript's "exit" listeners, and then C++'s destructors, libtorch's among them.
void end_tasks_with(Napi::Env env) {
  napi_add_env_cleanup_hook(env, end_tasks, nullptr);
  const Napi::Value process = env.Global().Get("process");
  if (!process.IsObject()) return;  // not Node's own: an embedder may leave it out
  const Napi::Value on = process.As<Napi::Object>().Get("on");
  if (!on.IsFunction()) return;
  const auto end = Napi::Function::New(
      env, [](const Napi::CallbackInfo&) { end_tasks(nullptr); }, "endTasks");
  on.As<Napi::Function>().Call(process, {Napi::String::New(env, "exit"), end});
}

void Task::settle(Napi::Env env, const Finish& finish, std::exception_ptr failure) {
  Napi::HandleScope scope(env);
  settled_ = true;
  if (!failure) {
    try {
      deferred_.Resolve(finish(env));
    } catch (...) {
      failure = std::current_exception();
    }
  }
  if (failure) deferred_.Reject(to_js_error(env, failure).Value());
  on_progress_.Reset();
  if (unfinished) unfinished->tasks.erase(shared_from_this());
}

std::string first_line(const char* text) {
  const std::string whole(text);
  return whole.substr(0, whole.find('\n'));
}

}  // namespace

Napi::Object start_task(Napi::Env env, Lane lane, Napi::Value on_progress, Work work) {
  if (!unfinished) {
    unfinished = std::make_unique<Unfinished>();
    end_tasks_with(env);
  }
  auto task = std::make_shared<Task>(env, on_progress, std::move(work));
  unfinished->tasks.insert(task);
  Napi::Object handle = Napi::Object::New(env);
  handle.Set("promise", task->promise());
  handle.Set("cancel", Napi::Function::New(
                           env, [task](const Napi::CallbackInfo&) { task->cancel(); }, "cancel"));
  Queue::of(lane).push(std::move(task));
  return handle;
}

Napi::Error to_js_error(Napi::Env env, std::exception_ptr exception) {
  std::string code = "ERR_TOKENLENSE_NATIVE", hint, message;
  try {
    std::rethrow_exception(exception);
  } catch (const Napi::Error& error) {
    return error;
  } catch (const Error& error) {
    code = error.code(), hint = error.hint(), message = error.what();
  } catch (const std::bad_alloc&) {
    code = "ERR_TOKENLENSE_MEMORY", message = "Out of memory.", hint = "Give a smaller memoryBudget or a shorter text.";
  } catch (const c10::OutOfMemoryError& error) {
    code = "ERR_TOKENLENSE_MEMORY", message = first_line(error.what_without_backtrace()),
    hint = "Give a smaller memoryBudget or a shorter text.";
  } catch (const c10::Error& error) {
    message = "libtorch: " + std::string(error.what_without_backtrace());
    if (message.find("can't allocate memory") != std::string::npos) code = "ERR_TOKENLENSE_MEMORY";
  } catch (const std::exception& error) {
    message = error.what();
  } catch (...) {
    message = "An unknown C++ exception.";
  }
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  if (!hint.empty()) error.Set("hint", Napi::String::New(env, hint));
  return error;
}

}  // namespace tokenlense
