import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { makeOnce, modelCache } from "../../src/models/cache.js";
import type { CachedModel } from "../../src/models/catalogue.js";
import { loadModel } from "../../src/models/model.js";
import { compiled, runModule } from "../install/processes.js";
import { writeTinyFolder } from "../models/folder-writer.js";
import { COMMIT, type StandInHub, standInHub } from "../models/hub-standin.js";
import { TINY } from "../models/tiny.js";
import { temporaryFolder, writeTinyModel } from "../tiny-model.js";
import { tokenlense } from "./command.js";

const folder = temporaryFolder();
const hubCache = join(folder, "hub");
process.env.HF_HUB_CACHE = hubCache;
delete process.env.HF_HUB_OFFLINE;
const NAME = "someone/tiny-llama";
const REPOSITORY = join(hubCache, "models--someone--tiny-llama");

let server: StandInHub | undefined;
afterAll(() => server?.close());
beforeEach(async () => {
  await server?.close();
  for (const path of [modelCache(), hubCache]) rmSync(path, { recursive: true, force: true });
  const made = join(folder, "made");
  writeTinyFolder(made, TINY, { shards: 2 });
  const files = Object.fromEntries(readdirSync(made).map((name) => [name, readFileSync(join(made, name))]));
  server = await standInHub({ [NAME]: { files } });
  process.env.HF_ENDPOINT = server.url;
});

const models = (...args: string[]) => tokenlense(["models", ...args], { cwd: folder });

/** Of a command that must succeed, with --json. */
async function json<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await models(...args, "--json");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return JSON.parse(stdout) as T;
}
const list = async () => (await json<{ cached: CachedModel[] }>("list")).cached;

describe("help", () => {
  it.each(["list", "pull", "build", "inspect", "remove"])(
    "of %s has an example and the exit codes",
    async (command) => {
      const { code, stdout } = await models(command, "--help");
      expect(code).toBe(0);
      expect(stdout).toContain(`Example: tokenlense models ${command}`);
      expect(stdout).toContain("Exit codes");
      expect(stdout).toContain("--json");
    },
  );

  it("names the nearest command", async () => {
    const { code, stderr } = await models("lst");
    expect(code).toBe(2);
    expect(stderr).toContain("Did you mean list?");
  });
});

describe("pull", () => {
  it("downloads from the hub, and neither builds nor loads", async () => {
    const { path } = await json<{ path: string }>("pull", NAME);
    expect(path).toBe(join(REPOSITORY, "snapshots", COMMIT));
    expect(existsSync(join(path, "model-2-of-2.safetensors"))).toBe(true);
    expect(existsSync(modelCache()) ? readdirSync(modelCache()).filter((name) => name.endsWith(".pt")) : []).toEqual(
      [],
    );
    const before = server?.requests.filter(({ path: asked }) => asked.includes("/resolve/")).length;
    expect((await models("pull", NAME)).stdout).toBe(`${path}\n`);
    expect(server?.requests.filter(({ path: asked }) => asked.includes("/resolve/"))).toHaveLength(before as number);
  });

  it("says what cannot be downloaded, and what the hub says", async () => {
    mkdirSync(join(folder, "local"), { recursive: true });
    for (const [name, code, error] of [
      ["local", 2, "ERR_TOKENLENSE_INPUT"],
      ["nonsense", 2, "ERR_TOKENLENSE_INPUT"],
      ["someone/else", 1, "ERR_TOKENLENSE_MODEL"],
      [`${NAME}:none.gguf`, 1, "ERR_TOKENLENSE_FILE"],
    ] as const) {
      const ended = await models("pull", name);
      expect({ name, code: ended.code, stdout: ended.stdout }).toEqual({ name, code, stdout: "" });
      expect(ended.stderr).toContain(error);
    }
  });

  it("ends with 130 at Ctrl-C, and goes on from there the next time", async () => {
    await server?.close();
    const made = join(folder, "made");
    const files = Object.fromEntries(readdirSync(made).map((name) => [name, readFileSync(join(made, name))]));
    server = await standInHub({ [NAME]: { files } }, ({ path }, earlier) =>
      path.startsWith("/cdn/") && path.includes("1-of-2") && earlier === 0 ? { stall: 9000 } : undefined,
    );
    process.env.HF_ENDPOINT = server.url;
    const { code, stdout, stderr } = await tokenlense(["models", "pull", NAME], {
      onStderr: (text, child) => {
        if (text.endsWith("Downloading the model …\n")) child.kill("SIGINT");
      },
    });
    expect({ code, stdout }).toEqual({ code: 130, stdout: "" });
    expect(stderr).toContain("ERR_TOKENLENSE_CANCELLED");
    await json("pull", NAME);
    const starts = server.requests.filter(({ path }) => path.startsWith("/cdn/") && path.includes("1-of-2"));
    expect(starts.map(({ start }) => start)).toEqual([0, 9000]);
  });
});

describe("build", () => {
  it("makes the archive that loading then takes", async () => {
    const gguf = writeTinyModel(folder);
    const { path, bytes } = await json<{ path: string; bytes: number }>("build", gguf);
    expect(readdirSync(modelCache()).filter((name) => name.endsWith(".pt"))).toEqual([basename(path)]);
    expect(statSync(path).size).toBe(bytes);
    const phases: string[] = [];
    using model = await loadModel(gguf, { device: "cpu", onProgress: ({ phase }) => phases.push(phase) });
    expect(model.path).toBe(path);
    expect(phases).not.toContain("build");
  });

  it("writes a file of the user's, with and without one in the cache, and takes the place of none", async () => {
    const gguf = writeTinyModel(folder);
    const first = join(folder, "out/first.pt");
    expect(await json("build", gguf, "--output", first)).toMatchObject({ path: first });
    expect(existsSync(modelCache()) && readdirSync(modelCache()).some((name) => name.endsWith(".pt"))).toBe(false);
    await json("build", gguf);
    const second = join(folder, "out/second.pt");
    await json("build", gguf, "--output", second);
    for (const path of [first, second]) {
      using model = await loadModel(path, { device: "cpu" });
      expect(model.contract).toMatchObject({ layers: 3, source: { file: "tiny.gguf" } });
    }
    expect(readdirSync(join(folder, "out")).toSorted()).toEqual(["first.pt", "second.pt"]);
    writeFileSync(first, "mine");
    const { code, stderr } = await models("build", gguf, "--output", first);
    expect(code).toBe(2);
    expect(stderr).toContain("exists");
    expect(readFileSync(first, "utf8")).toBe("mine");
  });

  it("refuses what is no source or no name for an archive", async () => {
    const gguf = writeTinyModel(folder);
    const { path } = await json<{ path: string }>("build", gguf);
    for (const args of [[path], [gguf, "--output", join(folder, "archive.zip")]]) {
      const { code, stderr } = await models("build", ...args);
      expect(code).toBe(2);
      expect(stderr).toContain("archive");
    }
    expect((await models("build", "./none.gguf")).stderr).toContain("ERR_TOKENLENSE_FILE");
  });
});

describe("inspect", () => {
  it("says the same of a source as of the archive made of it, and what can be asked of it", async () => {
    const gguf = writeTinyModel(folder);
    interface Inspected {
      archive: { path: string; bytes: number } | null;
      attribution: string[];
      contract: { family: string };
      tensorBytes: number;
    }
    const before = await json<Inspected>("inspect", gguf);
    expect(before.archive).toBeNull();
    const { path, bytes } = await json<{ path: string; bytes: number }>("build", gguf);
    const after = await json<Inspected>("inspect", gguf);
    expect(after.archive).toEqual({ path, bytes });
    expect(after.contract).toEqual(before.contract);
    expect(after.contract).toMatchObject({
      family: "llama",
      layers: 3,
      tokens: { bos: 1 },
      source: { file: "tiny.gguf" },
    });
    expect(after.attribution).toEqual(before.attribution);
    expect(after.attribution).toEqual(expect.arrayContaining(["saliency", "attention", "value_zeroing"]));
    expect(after.tensorBytes).toBe(before.tensorBytes);
    expect(await json("inspect", path)).toMatchObject({ contract: after.contract, tensorBytes: after.tensorBytes });
    const { stdout } = await models("inspect", gguf);
    for (const words of [/^tiny$/m, /family +llama/, /layers +3/, /SHA-256 [0-9a-f]{64}/, /methods +saliency/])
      expect(stdout).toMatch(words);
  });

  it("downloads nothing", async () => {
    for (const name of [NAME, "smollm2-135m-instruct"]) {
      const { code, stderr } = await models("inspect", name);
      expect(code).toBe(1);
      expect(stderr).toContain(`tokenlense models pull ${name}`);
    }
    expect(server?.requests).toEqual([]);
    await json("pull", NAME);
    expect(await json("inspect", NAME)).toMatchObject({
      name: NAME,
      archive: null,
      contract: { layers: 2, source: { file: COMMIT } },
    });
  });

  it("refuses an archive that was cut short, or is another's", async () => {
    writeFileSync(join(folder, "cut.pt"), "PK");
    const { code, stderr } = await models("inspect", join(folder, "cut.pt"));
    expect(code).toBe(1);
    expect(stderr).toContain("ERR_TOKENLENSE_FORMAT");
  });
});

describe("list", () => {
  it("shows archives, repositories that a family covers, and the known names", async () => {
    expect(await list()).toEqual([]);
    expect((await models("list")).stdout).toMatch(
      /^Nothing is cached(.|\n)*smollm2-135m-instruct {2}98 MB to download/,
    );
    await json("build", NAME);
    await json("build", writeTinyModel(folder));
    const other = join(hubCache, "models--someone--diffusion/snapshots", COMMIT);
    mkdirSync(other, { recursive: true });
    writeFileSync(join(other, "config.json"), '{ "architectures": ["UNet"] }');
    const cached = await list();
    expect(cached.map(({ name, kind, family }) => `${kind} ${name} ${family}`).toSorted()).toEqual([
      `archive ${NAME} llama`,
      "archive tiny llama",
      `hub ${NAME} llama`,
    ]);
    for (const { path, bytes, lastUsed } of cached) {
      expect(existsSync(path)).toBe(true);
      expect(bytes).toBeGreaterThan(10_000);
      expect(Date.parse(lastUsed)).toBeGreaterThan(0);
    }
    // Loading counts as use, also of the repository that the archive was built of; listing does not.
    const day = new Date(2020, 1, 1);
    for (const { path } of cached.filter(({ kind }) => kind === "archive")) utimesSync(path, day, day);
    using model = await loadModel(NAME, { device: "cpu" });
    const later = await list();
    const used = (kind: string, name: string) =>
      later.find((entry) => entry.kind === kind && entry.name === name)?.lastUsed as string;
    expect(used("archive", "tiny")).toBe(day.toISOString());
    expect(used("archive", NAME)).toBe(statSync(model.path).mtime.toISOString());
    expect(used("hub", NAME)).toBe(used("archive", NAME));
    expect(Date.parse(used("archive", NAME))).toBeGreaterThan(day.getTime());
    const { stdout } = await models("list");
    expect(stdout).toMatch(/^ {2}name +kind +family +size +last used +path$/m);
    expect(stdout).toMatch(/^ {2}tiny +archive +llama +\d.* \d{4}-\d\d-\d\d {2}\/.*\.pt$/m);
  });
});

describe("remove", () => {
  it("removes what this package made, says what and how much, and nothing with --dry-run", async () => {
    await json("build", NAME);
    await json("build", writeTinyModel(folder));
    const before = await list();
    const dry = await json<{ removed: CachedModel[]; bytes: number; dryRun: boolean }>("remove", NAME, "--dry-run");
    expect(await list()).toEqual(before);
    const wet = await json<typeof dry>("remove", NAME);
    expect({ ...wet, dryRun: true }).toEqual(dry);
    expect(wet.removed.map(({ kind, name }) => `${kind} ${name}`)).toEqual([`archive ${NAME}`]);
    expect(wet.bytes).toBe(before.find(({ kind, name }) => kind === "archive" && name === NAME)?.bytes);
    expect((await list()).map(({ kind, name }) => `${kind} ${name}`).toSorted()).toEqual([
      "archive tiny",
      `hub ${NAME}`,
    ]);
    expect((await models("remove", "tiny")).stdout).toMatch(/^Removed\n {2}\/.*tiny-.*\.pt \(.*B\)\n.*B freed\.\n$/);
    expect(readdirSync(modelCache()).filter((name) => /\.(pt|lock|tmp)$/.test(name))).toEqual([]);
  });

  it("leaves the hub's cache, which Python shares, unless it is told to", async () => {
    await json("pull", NAME);
    const refused = await models("remove", NAME);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("--hub");
    expect(existsSync(REPOSITORY)).toBe(true);
    const part = await models("remove", `${NAME}@main`, "--hub");
    expect(part.code).toBe(2);
    const [hub] = await list();
    const { removed, bytes } = await json<{ removed: CachedModel[]; bytes: number }>("remove", NAME, "--hub");
    expect(removed).toEqual([hub]);
    expect(bytes).toBe(hub?.bytes);
    expect(readdirSync(hubCache)).toEqual([]);
  });

  it("names what is near where nothing is called so, and lets no path out of the cache be named", async () => {
    const gguf = writeTinyModel(folder);
    await json("build", gguf);
    for (const [name, hint] of [
      ["tinny", "Did you mean tiny?"],
      [gguf, "models list"],
      [join(folder, "made"), "models list"],
    ] as const) {
      const { code, stderr } = await models("remove", name);
      expect(code).toBe(1);
      expect(stderr).toContain("ERR_TOKENLENSE_MODEL");
      expect(stderr).toContain(hint);
    }
    expect(existsSync(gguf)).toBe(true);
  });

  it("waits for no process that builds: it refuses", async () => {
    const { path } = await json<{ path: string }>("build", writeTinyModel(folder));
    let finish = () => {};
    const writing = new Promise<void>((resolve) => {
      finish = resolve;
    });
    // Another recipe's archive of the same source.
    const other = path.replace(/[0-9a-f]{8}\.pt$/, "00000000.pt");
    const making = makeOnce({
      path: other,
      bytes: 1,
      write: async (temporary) => writing.then(() => writeFileSync(temporary, "x")),
    });
    const { code, stderr } = await models("remove", "tiny");
    finish();
    await making;
    expect(code).toBe(1);
    expect(stderr).toContain("Another process is just making");
    expect(existsSync(path)).toBe(true);
  });

  it("takes nothing away from a process that has the model loaded", async () => {
    const gguf = writeTinyModel(folder);
    const go = join(folder, "go");
    const { child, ended } = runModule(
      `import { existsSync } from "node:fs";
       import { generate, loadModel } from ${JSON.stringify(compiled("index.js"))};
       const model = await loadModel(${JSON.stringify(gguf)}, { device: "cpu" });
       console.log("loaded");
       while (!existsSync(${JSON.stringify(go)})) await new Promise((resolve) => setTimeout(resolve, 20));
       console.log((await generate({ model, prompt: "The sky", maxNewTokens: 3 })).ids.length, "tokens");`,
      { env: { ...process.env } },
    );
    await Promise.race([new Promise((resolve) => child.stdout?.once("data", resolve)), ended]);
    await json("remove", "tiny");
    expect(await list()).toEqual([]);
    writeFileSync(go, "");
    expect(await ended).toMatchObject({ code: 0, stderr: "", stdout: "loaded\n3 tokens\n" });
    rmSync(go);
  });
});
