#pragma once
#include "../task.h"

namespace tokenlense {

/// Work done of work to do, in units of the kernel's own; cancels between two of them.
class Progress {
 public:
  Progress(TaskContext& context, int64_t total) : context_(context), total_(total) {}
  void advance(int64_t units) { context_.step(done_ = std::min(done_ + units, total_), total_); }
  /// More work than was foreseen.
  void extend(int64_t units) { total_ += units; }
  void check() const { context_.check(); }
  TaskContext& context() const { return context_; }

 private:
  TaskContext& context_;
  int64_t done_ = 0, total_;
};

}  // namespace tokenlense
