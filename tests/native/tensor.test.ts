import { describe, expect, it } from "vitest";
import { native } from "../../src/install/binding.js";

function failure(action: () => unknown): { code: string; message: string } {
  try {
    action();
  } catch (error) {
    return error as { code: string; message: string };
  }
  throw new Error("nothing was thrown");
}

describe("Tensor", () => {
  const { Tensor } = native();

  it("keeps dtype, shape and values of each kind of typed array", () => {
    const cases = [
      [Float32Array.from([1.5, -2, 3, 4, 5, 6]), "float32"],
      [BigInt64Array.from([1n, -2n, 3n, 4n, 5n, 2n ** 60n]), "int64"],
      [Int32Array.from([1, -2, 3, 4, 5, 6]), "int32"],
      [Uint16Array.from([0x3c00, 0xc000, 0, 1, 2, 3]), "float16"],
    ] as const;
    for (const [data, dtype] of cases) {
      const tensor = new Tensor(data, [2, 3]);
      expect(tensor.dtype).toBe(dtype);
      expect(tensor.shape).toEqual([2, 3]);
      expect(tensor.device).toBe("cpu");
      expect(tensor.data()).toEqual(data);
      tensor.dispose();
    }
  });

  it("copies what it is given, and shows its own memory", () => {
    const source = Float32Array.from([1, 2, 3, 4]);
    const tensor = new Tensor(source.subarray(1, 3), [2]);
    source[1] = 9;
    expect(tensor.data()).toEqual(Float32Array.from([2, 3]));
    expect(tensor.data()).toBe(tensor.data());
  });

  it("takes empty and scalar shapes", () => {
    expect(new Tensor(new Float32Array(0), [0, 3]).data()).toHaveLength(0);
    expect(new Tensor(Float32Array.from([7]), []).shape).toEqual([]);
  });

  it("refuses what does not fit, by name", () => {
    expect(failure(() => new Tensor(new Float32Array(3), [2, 2]))).toMatchObject({
      code: "ERR_TOKENLENSE_INPUT",
      message: expect.stringContaining("4 values"),
    });
    expect(failure(() => new Tensor(new Float32Array(3), [-3])).code).toBe("ERR_TOKENLENSE_INPUT");
    expect(failure(() => new Tensor(new Float32Array(3), [2 ** 40, 2 ** 40])).code).toBe("ERR_TOKENLENSE_INPUT");
    expect(failure(() => new Tensor(new Float64Array(3) as never, [3])).code).toBe("ERR_TOKENLENSE_INPUT");
    expect(failure(() => new (Tensor as never as new (x: unknown) => unknown)("no")).code).toBe("ERR_TOKENLENSE_INPUT");
  });

  it("gives its memory back on dispose, through Symbol.dispose too, and says so afterwards", () => {
    const tensor = new Tensor(Float32Array.from([1, 2]), [2]);
    const view = tensor.data();
    tensor[Symbol.dispose]();
    tensor.dispose();
    expect(failure(() => tensor.data()).code).toBe("ERR_TOKENLENSE_DISPOSED");
    expect(failure(() => tensor.shape).code).toBe("ERR_TOKENLENSE_DISPOSED");
    expect(view).toEqual(Float32Array.from([1, 2])); // a view outlives the handle
  });
});
