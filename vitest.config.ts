import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["tests/**/*.test.ts"],
    globalSetup: "tests/setup.ts",
    // One process at a time: each holds libtorch and a model, and they would share two cores.
    fileParallelism: false,
    pool: "forks",
    testTimeout: 120_000,
    // The default second is short where the machine has other work.
    expect: { poll: { timeout: 15_000 } },
    hookTimeout: 600_000,
  },
});
