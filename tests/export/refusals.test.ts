import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { attribute } from "../../src/attribute.js";
import { generate } from "../../src/generate.js";
import { terminalProgress } from "../../src/install/progress.js";
import { type ExportOptions, exportModel } from "../../src/models/export.js";
import { Exporter } from "../../src/models/exporter.js";
import { loadModel } from "../../src/models/model.js";
import { tokenlense } from "../cli/command.js";
import { exportTest } from "./environment.js";

const test = exportTest();
const variant = (name: string) => join(test.folder, "variants", name);
const output = join(test.folder, "out", "archive.pt");
let exporter: Exporter;
let hub: Server;
const COMMIT = "0123456789012345678901234567890123456789";
const OPTIONAL = { throwIfNoEntry: false } as const;

beforeAll(async () => {
  test.python("tiny.py", test.folder, "gptj");
  test.python("variants.py", join(test.folder, "gptj"), join(test.folder, "variants"));
  test.python("not_ours.py", join(test.folder, "gptj"), join(test.folder, "archives"));
  hub = createServer(answerAsHub);
  await new Promise<void>((resolve) => hub.listen(0, "127.0.0.1", resolve));
  vi.stubEnv("HF_ENDPOINT", `http://127.0.0.1:${(hub.address() as AddressInfo).port}`);
  vi.stubEnv("HF_HOME", join(test.folder, "hub"));
  exporter = await Exporter.start({ progress: terminalProgress() });
}, 1_800_000);
afterAll(async () => {
  vi.unstubAllEnvs();
  hub.close();
  await exporter.close();
});

/** A hub with one model, "someone/tiny", one with terms to accept, and one without the revision asked for. */
function answerAsHub({ url = "", method }: IncomingMessage, response: ServerResponse): void {
  const [, kind = ""] = url.match(/\/someone\/(\w+)/) ?? [];
  const folder = join(test.folder, "gptj");
  const json = (value: unknown) =>
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
  if (kind !== "tiny") {
    const code = { gated: "GatedRepo", revision: "RevisionNotFound" }[kind] ?? "RepoNotFound";
    response.writeHead(kind === "gated" ? 403 : 404, { "x-error-code": code }).end();
  } else if (url.includes("/revision/v1")) json({ id: "someone/tiny", sha: COMMIT });
  else if (url.includes("/tree/")) {
    const names = [...readdirSync(folder), "pytorch_model.bin"]; // which is not to be fetched beside safetensors
    json(
      names.map((path) => ({ type: "file", path, oid: path, size: statSync(join(folder, path), OPTIONAL)?.size ?? 9 })),
    );
  } else {
    const bytes = readFileSync(join(folder, url.split("/").at(-1) ?? ""));
    const headers = { etag: `"${url.split("/").at(-1)}"`, "x-repo-commit": COMMIT, "content-length": bytes.length };
    response.writeHead(200, headers).end(method === "HEAD" ? undefined : bytes);
  }
}

describe("the exporter refuses", () => {
  const cases: [source: string, code: string, what: RegExp, options?: ExportOptions][] = [
    ["no-tokenizer", "FORMAT", /tokenizer of .*no-tokenizer cannot be used/],
    ["ctc", "FORMAT", /its decoder is CTC/],
    ["half-the-weights", "FORMAT", /lacks weights: transformer\.h\.1\./],
    ["own-code", "ARCHITECTURE", /code of its own/],
    [
      "own-code-by-length",
      "ARCHITECTURE",
      /logits differ from transformers' by .* on 1 × 1 tokens. The trace took values for fixed at own\.py:13/,
      { trustRemoteCode: true },
    ],
    ["someone/nothing", "MODEL", /no model of that name on the hub/],
    ["someone/gated", "MODEL", /accepted its terms/],
    ["someone/revision", "MODEL", /has no revision v9/, { revision: "v9" }],
  ];
  it.each(cases)("%s", async (name, code, message, options = {}) => {
    const source = existsSync(variant(name)) ? variant(name) : name;
    await expect(exportModel(exporter, source, output, options)).rejects.toMatchObject({
      code: `ERR_TOKENLENSE_${code}`,
      message: expect.stringMatching(message),
    });
    expect(readdirSync(join(test.folder, "out"))).toEqual([]);
  });

  it("before Python is asked: a folder that is not there, a file, an output that is no archive", async () => {
    for (const [source, path, code] of [
      ["./no/folder", output, "FILE"],
      [join(test.folder, "gptj/model.safetensors"), output, "INPUT"],
      [join(test.folder, "gptj"), join(test.folder, "archive.onnx"), "INPUT"],
      [join(test.folder, "gptj"), "/proc/archive.pt", "DISK"],
    ] as const)
      await expect(exportModel(exporter, source, path)).rejects.toMatchObject({ code: `ERR_TOKENLENSE_${code}` });
  });
});

describe("the exporter reads", () => {
  it.each(["sentencepiece", "own-code"])("%s, in place of a file that was there", async (name) => {
    writeFileSync(output, "an older archive");
    await exportModel(exporter, variant(name), output, { trustRemoteCode: true });
    using model = await loadModel(output, { device: "cpu" });
    const text = "The capital of France is Paris.";
    expect(model.tokenizer.decode(model.tokenizer.encode(text))).toContain(text);
  });
});

it("the exporter fetches a model from the hub, at the revision asked for, and says how far it is", async () => {
  const fetched: number[] = [];
  const { contract } = await exportModel(exporter, "someone/tiny", output, {
    revision: "v1",
    onProgress: ({ phase, done, total }) => {
      if (phase === "download" && total > 0) fetched.push(done / total);
    },
  });
  expect(contract.source.name).toBe("someone/tiny");
  expect(fetched.at(-1)).toBe(1);
});

describe("a .pt file that is not ours is refused, with what would make it one", () => {
  it.each([
    ["weights", /was written by torch\.save/],
    ["old", /was written by torch\.save/],
    ["object", /was written by torch\.save/],
    ["module", /has no tokenlense\/contract\.json/],
    ["methods", /'embed' is not defined/],
    ["arity", /hidden.* received 3 argument/],
    ["rank", /its methods are not those of the minimal contract/],
    ["vocabulary", /has 320 logits, and its contract a vocabulary of 400/],
  ])("%s", async (name, message) => {
    await expect(loadModel(join(test.folder, "archives", `${name}.pt`))).rejects.toMatchObject({
      code: "ERR_TOKENLENSE_FORMAT",
      message: expect.stringMatching(message),
      hint: expect.stringMatching(/embed\(ids\), hidden\(embeddings, mask\) and logits\(hidden\).*contract\.json/),
    });
  });

  it("and one that holds to its contract is not", async () => {
    using model = await loadModel(join(test.folder, "archives/whole.pt"));
    expect(model.contract.family).toBe("mine");
  });
});

it("the README's example makes a module of one's own an archive, which is attributed", async () => {
  const example = readFileSync("python/example_contract.py", "utf8").split("# fmt: off\n")[1] ?? "";
  expect(readFileSync("README.md", "utf8")).toContain(`\`\`\`python\n${example}\`\`\``);
  const archive = join(test.folder, "mine.pt");
  test.python("../../python/example_contract.py", join(test.folder, "gptj"), archive);
  using model = await loadModel(archive);
  const prompt = "The quick brown";
  expect((await generate({ model, prompt, maxNewTokens: 3 })).ids.length).toBeGreaterThan(0);
  using result = await attribute({ model, prompt, target: `${prompt} fox` });
  expect(result.scores.every(Number.isFinite)).toBe(true);
  expect(result.scores.some((score) => score !== 0)).toBe(true);
});

describe("tokenlense export", () => {
  it("writes an archive and says so", async () => {
    const archive = join(test.folder, "by-command.pt");
    const { code, stdout } = await tokenlense(["export", join(test.folder, "gptj"), archive, "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ path: archive, contract: { family: "gptj" } });
    const { stdout: text } = await tokenlense(["generate", "The quick", "--model", archive, "--max-new-tokens", "2"]);
    expect(text).not.toBe("");
  });

  it("ends with Ctrl-C, by code 130, and leaves nothing", async () => {
    const folder = join(test.folder, "cancelled");
    const { code, stdout, stderr } = await tokenlense(
      ["export", join(test.folder, "gptj"), join(folder, "archive.pt")],
      { onStderr: (text, child) => void (text.endsWith(" …\n") && child.kill("SIGINT")) },
    );
    expect({ code, stdout }).toEqual({ code: 130, stdout: "" });
    expect(stderr).toContain("ERR_TOKENLENSE_CANCELLED");
    expect(readdirSync(folder)).toEqual([]);
  });

  it("says which Python it needs", async () => {
    const { code, stdout } = await tokenlense([
      "export",
      join(test.folder, "gptj"),
      output,
      "--json",
      "--python",
      "/no/python",
    ]);
    expect(code).toBe(1);
    expect(JSON.parse(stdout).error).toMatchObject({
      code: "ERR_TOKENLENSE_PYTHON",
      message: "Python 3.11 to 3.14 is needed, and /no/python does not run.",
    });
  });
});
