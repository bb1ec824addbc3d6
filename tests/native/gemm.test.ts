import { expect, it } from "vitest";
import { native } from "../../src/install/binding.js";

// It times every path at every shape, which takes as long as the machine is slow.
it("is right on every path, at every class of shapes", { timeout: 600_000 }, async () => {
  const report = await native().measureGemm().promise;
  expect(report.length).toBeGreaterThan(5);
  for (const { shape, chosen, paths, error } of report) {
    expect(Object.keys(paths), shape).toContain(chosen);
    expect(Object.keys(paths).length, shape).toBeGreaterThan(1);
    expect(error, shape).toBeGreaterThan(0); // float32 is not float64
    expect(error, shape).toBeLessThan(1e-5);
  }
});
