#pragma once
#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace tokenlense::amx {

// In large pages where the system has them: the tiles lie on hundreds of small ones.
class Memory {
 public:
  explicit Memory(size_t bytes) {
    constexpr size_t page = size_t{2} << 20;
    bytes = (bytes + page - 1) / page * page;
    memory_.reset(static_cast<char*>(std::aligned_alloc(page, bytes)));
    if (!memory_) throw std::bad_alloc();
    madvise(memory_.get(), bytes, MADV_HUGEPAGE);
  }
  char* at(int64_t offset) const { return memory_.get() + offset; }

 private:
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  std::unique_ptr<char, Free> memory_;
};

}  // namespace tokenlense::amx
