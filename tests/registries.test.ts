import { describe, expect, it } from "vitest";
import { findMethod, methods } from "../src/methods/index.js";
import { findStep, steps } from "../src/steps/index.js";

describe.each([
  ["methods", methods, findMethod, "salincy", "saliency"],
  ["steps", steps, findStep, "probabilty", "probability"],
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
