#include "amx.h"

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__)

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace tokenlense {
namespace {

// Linux gives a process the tiles' state (8 KiB a thread) only when it asks.
bool may_use_tiles() {
  constexpr int request = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  const bool tiles = (d >> 22 & 1) && (d >> 24 & 1) && (d >> 25 & 1);  // AMX-BF16, AMX-TILE, AMX-INT8
  if (!tiles || !__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512vbmi"))
    return false;
  return syscall(SYS_arch_prctl, request, tile_data) == 0;
}

}  // namespace

bool has_amx() {
  static const bool has = may_use_tiles();
  return has;
}

}  // namespace tokenlense

#else

namespace tokenlense {

CoarseCotangents::CoarseCotangents() : before_(false) {}
CoarseCotangents::~CoarseCotangents() = default;
struct KeptTiles::Store {};
KeptTiles::KeptTiles(int64_t) : before_(nullptr) {}
KeptTiles::~KeptTiles() = default;
void KeptTiles::clear() {}
bool has_amx() { return false; }
at::Tensor amx_product(const at::Tensor&, const at::Tensor&, bool) { TORCH_CHECK(false, "no AMX here"); }
at::Tensor amx_few_rows_product(const at::Tensor&, const at::Tensor&) { TORCH_CHECK(false, "no AMX here"); }

}  // namespace tokenlense

#endif
