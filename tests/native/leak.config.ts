import { defineConfig } from "vitest/config";

// `npm run test:leak`
export default defineConfig({
  test: {
    include: ["tests/native/leak.ts"],
    execArgv: ["--expose-gc"],
    pool: "forks",
    testTimeout: 600_000,
  },
});
