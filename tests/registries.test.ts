import { describe, expect, it } from "vitest";
import { findMethod, methods } from "../src/methods/index.js";
import { registerStep, resolveStep, steps } from "../src/steps/index.js";

describe.each([
  ["methods", methods, findMethod, "salincy", "saliency"],
  [
    "steps",
    steps,
    (name: string) => steps[resolveStep(name).spec.name as keyof typeof steps],
    "probabilty",
    "probability",
  ],
] as const)("%s", (_, registry, find, misspelt, meant) => {
  it("are known by their own names", () => {
    for (const [name, entry] of Object.entries(registry)) {
      expect(entry.name).toBe(name);
      expect(find(name)).toBe(entry);
    }
  });

  it("suggest the nearest name for an unknown one", () => {
    expect(() => find(misspelt)).toThrow(
      expect.objectContaining({ code: "ERR_TOKENLENSE_INPUT", hint: `Did you mean ${meant}?` }),
    );
  });

  it("list all names where none is near, and do not take an object's own members for names", () => {
    for (const name of ["qqqqqqqqqqqqqqqq", "toString", "__proto__", ""])
      expect(() => find(name)).toThrow(expect.objectContaining({ code: "ERR_TOKENLENSE_INPUT" }));
    const known = Object.keys(registry).join(", ");
    expect(() => find("qqqqqqqqqqqqqqqq")).toThrow(expect.objectContaining({ hint: `Known: ${known}.` }));
  });
});

it("every method's default step function exists", () => {
  for (const method of Object.values(methods)) expect(steps).toHaveProperty(method.step);
});

it("takes a registered step function by its name, and none in place of the package's own", () => {
  const source = "def step(logits: Tensor, targets: Tensor) -> Tensor:\n    return logits.amax(-1)\n";
  registerStep({ name: "largest_logit", summary: "The largest logit.", source });
  expect(resolveStep("largest_logit").spec).toEqual({ name: "largest_logit", source });
  expect(() => registerStep({ name: "logit", summary: "", source })).toThrow(
    expect.objectContaining({ code: "ERR_TOKENLENSE_INPUT" }),
  );
});

it("names the nearest option of a step function", () => {
  expect(resolveStep({ name: "top_p_size", topP: 0.5 }).spec.source).toContain("0.5");
  expect(() => resolveStep({ name: "top_p_size", topp: 0.5 })).toThrow(
    expect.objectContaining({ code: "ERR_TOKENLENSE_INPUT", hint: "Did you mean topP?" }),
  );
  expect(() => resolveStep({ name: "top_p_size", topP: 2 })).toThrow(
    expect.objectContaining({ code: "ERR_TOKENLENSE_INPUT", message: expect.stringContaining("topP") }),
  );
});
