import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { load } from "../../src/storage/results.js";
import { temporaryFolder, writeTinyModel } from "../tiny-model.js";
import { type CommandOptions, tokenlense } from "./command.js";

const folder = temporaryFolder();
let flags: string[];
beforeAll(() => {
  flags = ["--model", writeTinyModel(folder), "--max-new-tokens", "4"];
});
const run = (args: string[], options: CommandOptions = {}) =>
  tokenlense([...args, ...flags], { cwd: folder, ...options });
const storedIn = (stdout: string) => /^Stored in (.+\.json)$/m.exec(stdout)?.[1] as string;

describe("attribute", () => {
  it("prints a table where stdout is no terminal, and where the result is stored", async () => {
    const { code, stdout, stderr } = await run(["attribute", "The sky is"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).not.toContain("\x1b");
    expect(stdout).toMatch(/^tiny · saliency of probability · \d+ prompt tokens, 4 outputs/);
    expect(stdout).toContain("token \\ output");
    const file = storedIn(stdout);
    expect(file.startsWith(join(folder, "results"))).toBe(true);
    const result = await load(file);
    expect(result).toMatchObject({ prompt: "The sky is", outputs: 4, method: "saliency", step: "probability" });
  });

  it("draws a heat map where colours are asked for", async () => {
    const { stdout } = await run(["attribute", "The sky is", "--no-save"], { env: { FORCE_COLOR: "3" } });
    expect(stdout).toContain("\x1b[48;2;253;231;37m");
    expect(stdout).not.toContain("Stored in");
  });

  it("prints the stored document as JSON, and its file", async () => {
    const { code, stdout } = await run(["attribute", "The sky is", "--json", "--method", "input_x_gradient"]);
    expect(code).toBe(0);
    const { file, ...document } = JSON.parse(stdout) as { file: string };
    expect(document).toEqual((await load(file)).toJSON());
    expect(document).toMatchObject({ metadata: { attribution_method: "input_x_gradient", version: "1.1.0" } });
  });

  it("takes a method's options, step scores with theirs, and a contrast", async () => {
    const { code, stdout, stderr } = await run([
      "attribute",
      "The sky is",
      ...["--target", "The sky is blue and", "--contrast", "The sky is grey and cold"],
      ...["--method", "occlusion", "--option", "window=2", "--option", "baseline=zero"],
      ...["--step-score", "top_p_size:topP=0.5", "--step-score", "pcxmi", "--json", "--no-save"],
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const { data, tokenlense_native: ours } = JSON.parse(stdout);
    expect(ours.step).toBe("contrast_prob_diff");
    expect(Object.keys(data.step_scores)).toEqual(["top_p_size", "pcxmi"]);
  });

  it("stores where it is told, and nothing with --no-save", async () => {
    const { stdout } = await run(["attribute", "x", "--output", "elsewhere/deep"]);
    expect(readdirSync(join(folder, "elsewhere/deep"))).toEqual([storedIn(stdout).split("/").at(-1)]);
    const before = readdirSync(join(folder, "results"));
    expect((await run(["attribute", "x", "--json", "--no-save"])).stdout).not.toContain('"file"');
    expect(readdirSync(join(folder, "results"))).toEqual(before);
  });

  it("shows a result that could not be stored, and fails", async () => {
    writeFileSync(join(folder, "taken"), "");
    const { code, stdout, stderr } = await run(["attribute", "The sky is", "--output", "taken"]);
    expect(code).toBe(1);
    expect(stdout).toContain("token \\ output");
    expect(stderr).toContain("ERR_TOKENLENSE_DISK");
  });

  it("reads the prompt from stdin, and attributes a given target", async () => {
    const { stdout } = await run(["attribute", "-", "--target", "The sky is blue", "--json", "--no-save"], {
      input: "The sky is\n",
    });
    expect(JSON.parse(stdout)).toMatchObject({
      metadata: { prompt: "The sky is", generation_params: {} },
      tokenlense_native: { target: "The sky is blue" },
    });
  });

  it("puts the prompt in chat format", async () => {
    const { stdout } = await run(["attribute", "Hi", "--chat", "--system", "Be kind.", "--json", "--no-save"]);
    expect(JSON.parse(stdout)).toMatchObject({
      metadata: { prompt: "Hi" },
      tokenlense_native: { input: expect.stringContaining("system\nBe kind.<|im_end|>\n<|im_start|>user\nHi") },
    });
  });
});

describe("errors", () => {
  it("go to stderr with code and hint, exit code 1", async () => {
    const { code, stdout, stderr } = await run(["attribute", "The sky is", "--target", "Grass"]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(
      /^tokenlense: The target does not begin with the prompt\. \(ERR_TOKENLENSE_TARGET\)\n {2}\S/,
    );
  });

  it("are JSON on stdout with --json", async () => {
    const { code, stdout } = await run(["attribute", "", "--json"]);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toEqual({
      error: { code: "ERR_TOKENLENSE_PROMPT", message: expect.any(String), hint: expect.any(String) },
    });
  });

  it("end with 2 for a name that is not known, with the nearest one", async () => {
    for (const [option, name, meant] of [
      ["--method", "salience", "saliency"],
      ["--step", "probabilty", "probability"],
    ] as const) {
      // Before the model is looked for.
      const { code, stderr } = await tokenlense(["attribute", "x", option, name, "--model", "./none.gguf"]);
      expect(code).toBe(2);
      expect(stderr).toContain(`Did you mean ${meant}?`);
    }
  });

  it("name a model file that is not there", async () => {
    const { code, stderr } = await tokenlense(["attribute", "x", "--model", "./none.gguf"], { cwd: folder });
    expect(code).toBe(1);
    expect(stderr).toContain("ERR_TOKENLENSE_FILE");
  });
});

describe("generate", () => {
  it("prints the continuation, or JSON", async () => {
    const json = JSON.parse((await run(["generate", "The sky is", "--json"])).stdout) as {
      text: string;
      ids: number[];
    };
    expect(json.ids).toHaveLength(4);
    expect((await run(["generate", "The sky is"])).stdout).toBe(`${json.text}\n`);
  });
});

it("Ctrl-C ends the work with code 130 and stores nothing", async () => {
  const model = writeTinyModel(folder, { context: 200_000 });
  const { code, stdout, stderr } = await tokenlense(
    ["generate", "The sky is", "--model", model, "--max-new-tokens", "150000"],
    {
      onStderr: (text, child) => {
        if (text.endsWith("Generating …\n")) child.kill("SIGINT");
      },
    },
  );
  expect({ code, stdout }).toEqual({ code: 130, stdout: "" });
  expect(stderr).toContain("ERR_TOKENLENSE_CANCELLED");
});
