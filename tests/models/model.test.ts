import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { TokenlenseError } from "../../src/errors.js";
import { native } from "../../src/install/binding.js";
import { buildSpec } from "../../src/models/build.js";
import { modelCache } from "../../src/models/cache.js";
import { readGguf } from "../../src/models/gguf.js";
import { type LoadModelOptions, type LoadProgress, loadModel } from "../../src/models/model.js";
import { tokenizerFromGguf } from "../../src/models/tokenizer-json.js";
import { compiled, runModule } from "../install/processes.js";
import { temporaryFolder } from "../tiny-model.js";
import { writeTinyFolder } from "./folder-writer.js";
import { TINY, type TinyOptions, writeTinyLlama } from "./tiny.js";

const folder = temporaryFolder();
const CPU = { device: "cpu" };
const OWN: TinyOptions = { ...TINY, encoding: "Q8_0" };

let count = 0;
/** A model of its own for each test, so that each begins without a cache entry. */
let path: string;
beforeEach(() => {
  count++;
  path = join(folder, `model${count}.gguf`);
  writeTinyLlama(path, { ...OWN, seed: count });
});

const cached = () =>
  existsSync(modelCache()) ? readdirSync(modelCache()).filter((name) => name.startsWith(`model${count}-`)) : [];

async function failure(source: string, options: LoadModelOptions = CPU): Promise<TokenlenseError> {
  const error = await loadModel(source, options).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(TokenlenseError);
  return error as TokenlenseError;
}

/** Loads and disposes; which phases there were. */
async function phases(source: string): Promise<string[]> {
  const seen: LoadProgress[] = [];
  using model = await loadModel(source, { ...CPU, onProgress: (progress) => seen.push(progress) });
  expect(model.contract.layers).toBe(2);
  return [...new Set(seen.map(({ phase }) => phase))];
}

describe("loadModel", () => {
  it("loads a GGUF file with its tokenizer and contract", async () => {
    using model = await loadModel(path, CPU);
    expect(model.name).toBe(`model${count}`);
    expect(model.contract).toMatchObject({
      family: "llama",
      layers: 2,
      kvHeads: 2,
      vocabulary: 280,
      context: 16,
      tokens: { bos: 1, eos: [2] },
    });
    expect(model.contract.source.file).toBe(`model${count}.gguf`);
    expect(model.tokenizer.decode(model.tokenizer.encode("some text"))).toBe("some text");
    expect(model.path).toBe(join(modelCache(), cached()[0] as string));
    expect(model.native.device).toBe("cpu");
    expect(model.native.bytes).toBeGreaterThan(0);
  });

  it("builds once, and reads nothing but the archive the next time", async () => {
    expect(await phases(path)).toEqual(["verify", "build", "load"]);
    const [archive] = cached();
    const { ino } = statSync(join(modelCache(), archive as string));
    expect(await phases(path)).toEqual(["load"]);
    expect(cached()).toEqual([archive]);
    expect(statSync(join(modelCache(), archive as string)).ino).toBe(ino);
  });

  it("builds anew when the file has changed, and not when it was only touched", async () => {
    await phases(path);
    utimesSync(path, new Date(), new Date(2020, 1, 1));
    expect(await phases(path)).toEqual(["verify", "load"]);
    writeTinyLlama(path, { ...OWN, seed: 1000 });
    expect(await phases(path)).toEqual(["verify", "build", "load"]);
    expect(cached()).toHaveLength(2);
  });

  it("removes the archive that an older package built of the same file, and no other", async () => {
    await phases(path);
    const [archive] = cached();
    const older = (archive as string).replace(/[0-9a-f]{8}\.pt$/, "00000000.pt");
    const other = `model${count}-000000000000-00000000.pt`;
    for (const name of [older, other]) copyFileSync(join(modelCache(), archive as string), join(modelCache(), name));
    truncateSync(join(modelCache(), archive as string), 100);
    await phases(path);
    expect(cached().toSorted()).toEqual([archive, other].toSorted());
  });

  it("loads a folder with one GGUF file, a Hugging Face folder, and an archive by its path", async () => {
    const only = join(folder, `only${count}`);
    mkdirSync(only);
    copyFileSync(path, join(only, "inside.gguf"));
    await phases(only);
    const hub = join(folder, `hub${count}`);
    writeTinyFolder(hub, { ...TINY, encoding: "F32" });
    await phases(hub);
    expect(await phases(hub)).toEqual(["load"]);
    using model = await loadModel(path, CPU);
    expect(await phases(model.path)).toEqual(["load"]);
  });

  it("rebuilds an archive of the cache that is damaged", async () => {
    await phases(path);
    const archive = join(modelCache(), cached()[0] as string);
    truncateSync(archive, 5000);
    expect(await phases(path)).toEqual(["load", "build"]);
    expect(await phases(path)).toEqual(["load"]);
  });

  it("builds an archive again that is removed when it is about to be loaded", async () => {
    await phases(path);
    const archive = join(modelCache(), cached()[0] as string);
    const seen: string[] = [];
    const onProgress = ({ phase }: LoadProgress) => {
      if (phase === "load" && !seen.includes(phase)) rmSync(archive);
      seen.push(phase);
    };
    using model = await loadModel(path, { ...CPU, onProgress });
    expect(model.contract.layers).toBe(2);
    expect(seen).toContain("build");
  });

  it("names the nearest models where it knows none of the name", async () => {
    const error = await failure("smolm2-135m-instruct");
    expect(error.code).toBe("ERR_TOKENLENSE_MODEL");
    expect(error.hint).toContain("Did you mean smollm2-135m-instruct?");
    expect((await failure("gpt4")).hint).toContain("Known: smollm2-135m-instruct");
    expect((await failure("toString")).code).toBe("ERR_TOKENLENSE_MODEL");
    expect((await failure("")).code).toBe("ERR_TOKENLENSE_MODEL");
  });

  it.each(["./none.gguf", "none.gguf", "/no/such/folder", "none.pt"])("says that %s is not there", async (source) => {
    expect((await failure(source)).code).toBe("ERR_TOKENLENSE_FILE");
  });

  it("says what kinds of files it reads", async () => {
    const other = join(folder, "model.onnx");
    writeFileSync(other, "");
    const error = await failure(other);
    expect(error.code).toBe("ERR_TOKENLENSE_FORMAT");
    expect(error.hint).toContain(".gguf");
    expect((await failure(folder)).code).toBe("ERR_TOKENLENSE_FILE");
  });

  it("refuses a cut file before it reads it whole, and keeps nothing of it", async () => {
    truncateSync(path, statSync(path).size - 100);
    const seen: string[] = [];
    const error = await failure(path, { ...CPU, onProgress: ({ phase }) => seen.push(phase) });
    expect(error.code).toBe("ERR_TOKENLENSE_FORMAT");
    expect(seen).toEqual([]);
    expect(cached()).toEqual([]);
  });

  it("refuses archives that are not its own", async () => {
    const noArchive = join(folder, "nothing.pt");
    writeFileSync(noArchive, "no archive");
    expect((await failure(noArchive)).code).toBe("ERR_TOKENLENSE_FORMAT");

    const checkpoint = await readGguf(path);
    const tokenizer = (size: number) => tokenizerFromGguf(checkpoint, size);
    const spec = await buildSpec({ name: "x", sha256: "0".repeat(64), checkpoint, tokenizer });
    const foreign = async (files: Record<string, string>) => {
      const output = join(folder, `foreign${count}.pt`);
      await native().buildArchive({ ...spec, files, output }).promise;
      return failure(output);
    };
    expect((await foreign({})).message).toContain("not an archive of this package");
    const contract = spec.files["tokenlense/contract.json"] as string;
    expect((await foreign({ "tokenlense/contract.json": "{" })).message).toContain("is not JSON");
    const newer = await foreign({
      "tokenlense/contract.json": JSON.stringify({ ...JSON.parse(contract), version: 2 }),
    });
    expect(newer.hint).toContain("Update the package");
    const odd = await foreign({
      "tokenlense/contract.json": JSON.stringify({ ...JSON.parse(contract), layers: "two" }),
    });
    expect(odd.message).toContain("layers");
    expect((await foreign({ "tokenlense/contract.json": contract })).message).toContain(
      "has no tokenlense/tokenizer.json",
    );
  });

  it("stops where it is told to, and leaves no half", async () => {
    const before = new AbortController();
    before.abort(new Error("early"));
    expect((await failure(path, { ...CPU, signal: before.signal })).code).toBe("ERR_TOKENLENSE_CANCELLED");
    for (const phase of ["verify", "build"]) {
      const controller = new AbortController();
      const onProgress = (progress: LoadProgress) => progress.phase === phase && controller.abort(new Error("enough"));
      const error = await failure(path, { ...CPU, signal: controller.signal, onProgress });
      expect(error.code).toBe("ERR_TOKENLENSE_CANCELLED");
      expect((error.cause as Error).message).toBe("enough");
      // A build so short may have ended before it could be stopped: then the entry is there, and whole.
      expect(cached().filter((name) => !name.endsWith(".pt"))).toEqual([]);
    }
    await phases(path);
  });

  it("refuses a device that is none", async () => {
    expect((await failure(path, { device: "abacus" })).code).toBe("ERR_TOKENLENSE_INPUT");
  });
});

/** A process of its own that loads the model, telling its phases. */
const loader = (prelude = "") =>
  runModule(
    `import { loadModel } from ${JSON.stringify(compiled("models/model.js"))};
     const seen = new Set();
     const onProgress = ({ phase }) => { if (!seen.has(phase)) { seen.add(phase); console.log(phase); } };
     ${prelude}
     const model = await loadModel(${JSON.stringify(path)}, { device: "cpu", onProgress });
     console.log("layers", model.contract.layers);`,
    { env: { ...process.env } },
  );

describe("several processes", () => {
  it("build the same archive once and both have it", async () => {
    const ends = await Promise.all([loader(), loader()].map(({ ended }) => ended));
    for (const { code, stdout, stderr } of ends)
      expect({ code, stderr, has: stdout.includes("layers 2") }).toEqual({ code: 0, stderr: "", has: true });
    expect(cached()).toHaveLength(1);
  });

  it("do not suffer from one that is killed while it builds", async () => {
    const { child, ended } = loader();
    child.stdout?.on("data", (text: string) => text.includes("build") && child.kill("SIGKILL"));
    expect((await ended).signal).toBe("SIGKILL");
    await phases(path);
    expect(cached()).toHaveLength(1);
  });
});

describe("a full disk", () => {
  it("is an error of its own while an archive is written, and the process lives on", async () => {
    const { ended } = runModule(
      `import { symlinkSync } from "node:fs";
       import { native } from ${JSON.stringify(compiled("install/binding.js"))};
       import { buildSpec } from ${JSON.stringify(compiled("models/build.js"))};
       import { makeOnce } from ${JSON.stringify(compiled("models/cache.js"))};
       import { readGguf } from ${JSON.stringify(compiled("models/gguf.js"))};
       import { tokenizerFromGguf } from ${JSON.stringify(compiled("models/tokenizer-json.js"))};
       import { run } from ${JSON.stringify(compiled("task.js"))};
       const checkpoint = await readGguf(${JSON.stringify(path)});
       const tokenizer = (size) => tokenizerFromGguf(checkpoint, size);
       const spec = await buildSpec({ name: "x", sha256: "0".repeat(64), checkpoint, tokenizer });
       const write = (output) => {
         symlinkSync("/dev/full", output); // every write to it fails for want of space
         return run(native().buildArchive({ ...spec, output }));
       };
       await makeOnce({ path: ${JSON.stringify(join(folder, "full", "model.pt"))}, bytes: 123456, write }).catch(
         ({ code, message, hint }) => console.log(JSON.stringify({ code, message, hint })),
       );`,
      { env: { ...process.env } },
    );
    const { code, stdout, stderr } = await ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const error = JSON.parse(stdout);
    expect(error.code).toBe("ERR_TOKENLENSE_DISK");
    expect(error.message).toContain("123456 bytes are needed");
    expect(error.hint).toContain("TOKENLENSE_CACHE");
    expect(readdirSync(join(folder, "full"))).toEqual([]);
  });
});
