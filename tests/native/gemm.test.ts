import fc from "fast-check";
import { expect, it } from "vitest";
import { native } from "../../src/install/binding.js";
import { measureGemm } from "../../src/install/gemm.js";
import type { GemmShape } from "../../src/native.js";

// It times every path at every shape, which takes as long as the machine is slow.
it("is right on every path, at every class of shapes", { timeout: 600_000 }, async () => {
  const report = await measureGemm(native());
  expect(report.length).toBeGreaterThan(5);
  for (const { shape, chosen, paths, errors } of report) {
    expect(Object.keys(paths), shape).toContain(chosen);
    const bfloat16 = shape.includes("bfloat16");
    if (!bfloat16) expect(Object.keys(paths).length, shape).toBeGreaterThan(1);
    const [rows = 0, depth = 0, , columns = 0] = shape.match(/\d+/g)?.map(Number) ?? [];
    const [transposed, coarse] = [shape.includes("transposed"), shape.includes("coarse")];
    right(shape, errors, { rows, depth, columns, dtype: bfloat16 ? "bfloat16" : "float32", transposed, coarse });
  }
});

it("is right on every path at random shapes, with weights of every dtype", { timeout: 600_000 }, async () => {
  const shape: fc.Arbitrary<GemmShape> = fc.record({
    rows: fc.integer({ min: 1, max: 900 }),
    depth: fc.integer({ min: 1, max: 1300 }),
    columns: fc.integer({ min: 1, max: 200 }),
    transposed: fc.boolean(),
    dtype: fc.constantFrom("float32", "bfloat16", "float16"),
    coarse: fc.boolean(),
  });
  const shapes = fc.sample(shape, { numRuns: 150, seed: 1 });
  const report = await native().measureGemm({ shapes, seconds: 0 }).promise;
  for (const [i, { chosen, paths, errors }] of report.entries()) {
    // What won at one size is taken at others.
    expect(Object.keys(paths), JSON.stringify(shapes[i])).toContain(chosen);
    right(JSON.stringify(shapes[i]), errors, shapes[i] as GemmShape);
  }
});

/**
 * Float32's rounding, and no less; the tiles' paths are finer where rounding matters most. Beside bfloat16 weights they keep 16 bits of a
 * row's values, or 8 backward.
 */
function right(
  shape: string,
  errors: Record<string, number>,
  { depth, columns, dtype, transposed, coarse }: GemmShape,
): void {
  const fine = transposed || (columns > depth && !coarse);
  const ofTiles = dtype === "bfloat16" ? (transposed ? 2e-5 : 4e-3) : fine ? 3e-7 : 3e-6;
  for (const [path, error] of Object.entries(errors)) {
    expect(error, `${shape}, ${path}`).toBeGreaterThan(0);
    expect(error, `${shape}, ${path}`).toBeLessThan(path.startsWith("amx") ? ofTiles : 3e-6);
  }
}

// The path is measured at the first product of a class of rows, and taken for all of that class.
it("can run all rows of a class on each path that may win there", async () => {
  const classes = [
    [1, 1],
    [2, 128],
    [129, 900],
  ] as const;
  for (const transposed of [false, true])
    for (const dtype of ["float32", "bfloat16", "float16"] as const)
      for (const [fewest, most] of classes) {
        const shapes = [fewest, most].map((rows) => ({ rows, depth: 40, columns: 24, transposed, dtype }));
        const [least, largest] = (await native().measureGemm({ shapes, seconds: 0 }).promise).map(({ paths }) =>
          Object.keys(paths),
        );
        expect(largest, JSON.stringify(shapes)).toEqual(least);
      }
});
