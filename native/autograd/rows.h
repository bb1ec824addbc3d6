#pragma once
#include <ATen/Parallel.h>

#include <atomic>

#include "ragged.h"

// For kernels that work row by row on packed cotangents.

// One compiled body per vector width, chosen when the library is loaded: a prebuild must run on any x86-64.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(TOKENLENSE_SANITIZED)
#define TOKENLENSE_VECTORISED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define TOKENLENSE_VECTORISED
#endif

namespace tokenlense {

/// body(0) … body(count − 1), each once, whichever thread is free: a thread that the system takes away for a while holds up one task,
/// not its whole share.
template <class Body>
void share_tasks(int64_t count, const Body& body) {
  std::atomic<int64_t> next = 0;
  at::parallel_for(0, std::min<int64_t>(count, at::get_num_threads()), 1, [&](int64_t, int64_t) {
    for (int64_t task; (task = next.fetch_add(1, std::memory_order_relaxed)) < count;) body(task);
  });
}

/// Calls body(first packed row, first saved row, count) for runs of rows that lie together in both the packed matrix and the saved
/// [batch · length, width] activations, in parallel over `grain` rows.
template <class Body>
void for_row_runs(const Layout& layout, int64_t length, int64_t grain, const Body& body) {
  at::parallel_for(0, layout.rows, grain, [&](int64_t begin, int64_t end) {
    for (const auto& segment : layout.segments) {
      const int64_t from = std::max(begin, segment.offset), to = std::min(end, segment.offset + segment.rows());
      if (from < to) body(from, segment.sequence * length + segment.low + (from - segment.offset), to - from);
    }
  });
}

}  // namespace tokenlense
