#!/usr/bin/env bash
# The native tests with the addon compiled with AddressSanitizer and UndefinedBehaviorSanitizer: `npm run test:asan`.
# Arguments go to vitest, e.g. a file or -t <name>. Linux and gcc.
set -euo pipefail
cd "$(dirname "$0")/../.."

node dist/install/main.js --variant asan
export TOKENLENSE_ADDON="$PWD/build-asan/Release/tokenlense.node"

# Node itself is not instrumented, so the runtimes come first; libstdc++ with them, for the exceptions that they follow.
LD_PRELOAD=""
for library in libasan.so libubsan.so libstdc++.so.6; do
  LD_PRELOAD+="$(readlink -f "$("${CXX:-g++}" -print-file-name="$library")") "
done
# Leaks are npm run test:leak's: libtorch and V8 keep much until the process ends. V8 reserves address space that the
# sanitizer would count as a failed allocation.
export ASAN_OPTIONS="detect_leaks=0:allocator_may_return_null=1:abort_on_error=1:detect_stack_use_after_return=0:handle_segv=0:log_path=stderr"
export UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1"
export LD_PRELOAD
[ $# -gt 0 ] || set -- tests/native tests/methods/{properties,axioms,lime,reagent,strata}.test.ts
exec node node_modules/vitest/vitest.mjs run "$@"
