import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { methods } from "../../src/methods/index.js";
import { steps } from "../../src/steps/index.js";
import { tokenlense } from "./command.js";

describe("help", () => {
  it("lists the commands and what the exit codes mean", async () => {
    const { code, stdout } = await tokenlense(["--help"]);
    expect(code).toBe(0);
    for (const word of ["attribute", "generate", "export", "doctor", "methods", "models", "Exit codes"])
      expect(stdout).toContain(word);
  });

  it("has an example for each command that takes a model", async () => {
    for (const command of ["attribute", "generate", "export"]) {
      const { code, stdout } = await tokenlense([command, "--help"]);
      expect(code).toBe(0);
      expect(stdout).toContain(`Example: tokenlense ${command} `);
      expect(stdout).toContain("Exit codes");
    }
  });

  it("gives the package's version", async () => {
    const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
    expect(await tokenlense(["--version"])).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
  });
});

describe("wrong arguments end with code 2 and say what is wrong", () => {
  it.each([
    [["attribute"], "prompt"],
    [["atribute", "x"], "Did you mean attribute?"],
    [["attribute", "x", "--max-new-tokens", "many"], "whole number"],
    [["attribute", "x", "--memory-budget", "lots"], "2GiB"],
    [["attribute", "x", "--aggregate", "median"], "vnorm"],
    [["attribute", "x", "--metod", "saliency"], "--method"],
    [["generate", "x", "--temperature", "hot"], "number"],
    [["attribute", "x", "--method", "occlusoin"], "Did you mean occlusion?"],
    [["attribute", "x", "--method", "occlusion", "--option", "windw=2"], "Did you mean window?"],
    [["attribute", "x", "--method", "occlusion", "--option", "window=0"], "window"],
    [["attribute", "x", "--option", "window"], "name=value"],
    [["attribute", "x", "--step", "top_p_size"], "has no gradient"],
    [["attribute", "x", "--step-score", "pcxmi"], "needs a contrast"],
    [["export", "x"], "archive"],
    [["export", "x", "y.pt", "--dtype", "float16"], "float32"],
    [["export", "EleutherAI/x", "y.onnx"], ".pt"],
    [["attribute", "x", "--method", "reagent", "--step", "logit"], "defined for probability"],
  ])("%j", async (args, what) => {
    const { code, stdout, stderr } = await tokenlense(args);
    expect(code).toBe(2);
    expect(stderr).toContain(what);
    expect(stdout).toBe("");
  });

  it("also as JSON", async () => {
    const { code, stdout } = await tokenlense(["attribute", "x", "--max-new-tokens", "many", "--json"]);
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: "ERR_TOKENLENSE_INPUT" } });
  });
});

describe("methods", () => {
  it("lists every method and step function", async () => {
    const { code, stdout } = await tokenlense(["methods"]);
    expect(code).toBe(0);
    for (const { name, paper } of Object.values(methods)) {
      expect(stdout).toContain(`\n  ${name}\n`);
      expect(stdout).toContain(paper.url);
    }
    for (const name of Object.keys(steps)) expect(stdout).toContain(`\n  ${name}\n`);
    for (const text of [
      "aggregate: vnorm | sum | none (default vnorm)",
      "baseline: unk | pad | zero | mean | { text }",
      "steps: integer (default 50)",
      "topP: number (default 0.9)",
      "cost: one forward pass, one backward pass for each output",
    ])
      expect(stdout.replaceAll(/\s+/g, " ")).toContain(text);
  });

  it("as JSON", async () => {
    const { stdout } = await tokenlense(["methods", "--json"]);
    const listed = JSON.parse(stdout) as { methods: { name: string }[]; steps: { name: string }[] };
    expect(listed.methods.map(({ name }) => name)).toEqual(Object.keys(methods));
    expect(listed.steps.map(({ name }) => name)).toEqual(Object.keys(steps));
  });
});
