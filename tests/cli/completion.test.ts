import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { methods } from "../../src/methods/index.js";
import { steps } from "../../src/steps/index.js";
import { temporaryFolder } from "../tiny-model.js";
import { tokenlense } from "./command.js";

const folder = temporaryFolder();
const main = resolve("dist/cli/main.js");
const bin = join(folder, "bin");
beforeAll(() => {
  mkdirSync(join(folder, "cache/models"), { recursive: true });
  writeFileSync(join(folder, "weights.gguf"), "");
  mkdirSync(bin);
  writeFileSync(join(bin, "tokenlense"), `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@"\n`);
  chmodSync(join(bin, "tokenlense"), 0o755);
});

async function candidates(...words: string[]): Promise<string[]> {
  const { code, stdout } = await tokenlense(["completion", "fish", "--json", "--", ...words]);
  expect(code).toBe(0);
  return (JSON.parse(stdout) as { candidates: { text: string }[] }).candidates.map(({ text }) => text);
}

describe("candidates", () => {
  it("are commands, and those below one", async () => {
    expect(await candidates("")).toEqual(expect.arrayContaining(["attribute", "models", "doctor", "completion"]));
    expect(await candidates("att")).toEqual(["attribute", "attribute-context", "attribute-dataset"]);
    expect(await candidates("models", "")).toEqual(expect.arrayContaining(["list", "pull", "build", "inspect"]));
    expect(await candidates("attribute", "")).toEqual([]); // a prompt
  });

  it("are the options of the command and of all commands", async () => {
    const options = await candidates("attribute", "a prompt", "--");
    expect(options).toEqual(expect.arrayContaining(["--method", "--no-save", "--config", "--help"]));
    expect(options).not.toContain("--context");
    expect(await candidates("attribute", "--me")).toEqual(["--method", "--memory-budget"]);
  });

  it("are names where an option waits for one", async () => {
    expect(await candidates("attribute", "--method", "")).toEqual(Object.keys(methods));
    expect(await candidates("attribute", "--method=oc")).toEqual(["--method=occlusion"]);
    expect(await candidates("attribute", "x", "--step-score", "entropy", "")).toEqual(Object.keys(steps));
    expect(await candidates("generate", "--dtype", "b")).toEqual(["bfloat16"]);
    expect(await candidates("generate", "--device", "c")).toEqual(["cpu", "cuda"]);
    expect(await candidates("generate", "--model", "smol")).toEqual(["smollm2-135m-instruct"]);
    expect(await candidates("models", "inspect", "smol")).toEqual(["smollm2-135m-instruct"]);
    expect(await candidates("generate", "--system", "")).toEqual([]);
    expect(await candidates("completion", "z")).toEqual(["zsh"]);
  });

  it("are told though the configuration is wrong", async () => {
    writeFileSync(join(folder, "wrong.json"), "{");
    const { code, stdout } = await tokenlense(["completion", "bash", "--", "gen"], {
      env: { TOKENLENSE_CONFIG: join(folder, "wrong.json") },
    });
    expect({ code, stdout }).toEqual({ code: 0, stdout: "generate\n" });
  });

  it("are written as each shell reads them", async () => {
    const lines = async (shell: string) => (await tokenlense(["completion", shell, "--", "gen"])).stdout;
    expect(await lines("bash")).toBe("generate\n");
    expect(await lines("zsh")).toBe("generate:Continue a prompt.\n");
    expect(await lines("fish")).toBe("generate\tContinue a prompt.\n");
  });
});

describe("in bash", () => {
  const complete = (...words: string[]) => {
    const quoted = words.map((word) => `'${word}'`).join(" ");
    const script = `source <(tokenlense completion bash)
COMP_WORDS=(tokenlense ${quoted}); COMP_CWORD=${words.length}
$(complete -p tokenlense | sed 's/.*-F \\([^ ]*\\).*/\\1/') tokenlense
printf '%s\\n' "\${COMPREPLY[@]}"`;
    const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` };
    const { stdout, stderr } = spawnSync("bash", ["--norc", "-c", script], { cwd: folder, env, encoding: "utf8" });
    expect(stderr).toBe("");
    return stdout.split("\n").filter(Boolean);
  };

  it("commands, options and names are completed", () => {
    expect(complete("mod")).toEqual(["models"]);
    expect(complete("attribute", "two words", "--mem")).toEqual(["--memory-budget"]);
    expect(complete("attribute", "--method", "discret")).toEqual(["discretized_integrated_gradients"]);
  });

  it("a value after = is, which bash takes for a word of its own", () => {
    expect(complete("attribute", "--method", "=", "oc")).toEqual(["occlusion"]);
    expect(complete("attribute", "--aggregate", "=")).toEqual(["vnorm", "sum"]);
  });

  it("nothing that was typed is run, and files are left to bash", () => {
    expect(complete("attribute", "$(touch ran)", "--model", "weig")).toEqual([]);
    expect(spawnSync("ls", [folder], { encoding: "utf8" }).stdout).not.toContain("ran\n");
    const { stdout } = spawnSync(process.execPath, [main, "completion", "bash"], { encoding: "utf8" });
    expect(stdout).toContain("complete -o default ");
  });
});

it("prints a script for each shell, as JSON too", async () => {
  for (const shell of ["bash", "zsh", "fish"]) {
    const { code, stdout } = await tokenlense(["completion", shell]);
    expect(code).toBe(0);
    expect(stdout).toContain(`completion ${shell} --`);
    const json = JSON.parse((await tokenlense(["completion", shell, "--json"])).stdout);
    expect(json).toEqual({ shell, script: stdout });
  }
  const { code, stderr } = await tokenlense(["completion", "csh"]);
  expect(code).toBe(2);
  expect(stderr).toContain("bash, zsh, fish");
});
