import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { modelCache } from "../../src/models/cache.js";
import { knownSha256 } from "../../src/models/digest.js";
import { readFolder } from "../../src/models/folder.js";
import { locate } from "../../src/models/locate.js";
import { loadModel } from "../../src/models/model.js";
import type { LoadProgress } from "../../src/models/progress.js";
import { writeTinyFolder } from "./folder-writer.js";
import {
  asked,
  blobs,
  failure,
  folderFiles,
  ggufFile,
  hub,
  LATER,
  NAME,
  obtain,
  server,
  storage,
  test,
} from "./hub-case.js";
import { COMMIT, etagOf, sha256 } from "./hub-standin.js";
import { TINY } from "./tiny.js";

describe("a repository of safetensors", () => {
  it("is downloaded, as far as a model needs it, into blobs, refs and a snapshot of relative links", async () => {
    const files = folderFiles();
    await hub({ [NAME]: { files } });
    const seen: LoadProgress[] = [];
    const path = await obtain(NAME, { onProgress: (progress) => seen.push(progress) });
    expect(path).toBe(join(storage(), "snapshots", COMMIT));
    const wanted = [
      "config.json",
      "generation_config.json",
      "model.safetensors",
      "tokenizer.json",
      "tokenizer_config.json",
    ];
    expect(readdirSync(path).toSorted()).toEqual(wanted);
    expect(readFileSync(join(storage(), "refs/main"), "utf8")).toBe(COMMIT);
    for (const name of wanted) {
      const etag = etagOf(name, files[name] as Buffer);
      expect(lstatSync(join(path, name)).isSymbolicLink()).toBe(true);
      expect(readlinkSync(join(path, name))).toBe(join("../../blobs", etag));
      expect(readFileSync(join(path, name)).equals(files[name] as Buffer)).toBe(true);
    }
    expect(blobs().toSorted()).toEqual(wanted.map((name) => etagOf(name, files[name] as Buffer)).toSorted());
    const downloads = seen.filter(({ phase }) => phase === "download");
    const total = wanted.reduce((sum, name) => sum + (files[name] as Buffer).length, 0);
    expect(downloads.at(-1)).toEqual({ phase: "download", done: total, total, unit: "bytes" });
    expect(downloads.every(({ done }, i) => done >= (downloads[i - 1]?.done ?? 0))).toBe(true);
    // Checked when it came, so that it is not read for its digest again.
    expect(await knownSha256(join(path, "model.safetensors"))).toBe(sha256(files["model.safetensors"] as Buffer));
  });

  it("in shards is read as its index says, and becomes a model of the repository's name", async () => {
    await hub({ [NAME]: { files: folderFiles(3) } });
    const phases: string[] = [];
    using model = await loadModel(NAME, { device: "cpu", onProgress: ({ phase }) => phases.push(phase) });
    expect(model.name).toBe(NAME);
    expect(model.contract).toMatchObject({ family: "llama", layers: 2, source: { name: NAME, file: COMMIT } });
    expect(phases).toContain("download");
    expect(readdirSync(modelCache()).filter((name) => name.endsWith(".pt"))).toHaveLength(1);
    expect(
      readdirSync(join(storage(), "snapshots", COMMIT)).filter((name) => /-\d-of-3\.safetensors$/.test(name)),
    ).toHaveLength(3);
    // The weights lie in the blobs, and in the archive: nowhere else.
    expect(readdirSync(modelCache()).filter((name) => /safetensors|gguf/.test(name))).toEqual([]);
  });

  it("at a branch is asked for anew, and only what has changed is downloaded", async () => {
    const files = folderFiles();
    await hub({ [NAME]: { files } });
    await obtain(NAME);
    const changed = { ...files, "generation_config.json": Buffer.from('{"eos_token_id": 2}') };
    const later = await hub({ [NAME]: { files: changed, refs: { main: LATER } } });
    const path = await obtain(NAME);
    expect(path).toBe(join(storage(), "snapshots", LATER));
    expect(readFileSync(join(storage(), "refs/main"), "utf8")).toBe(LATER);
    expect(asked(later, "/resolve/").map(({ path }) => path.split("/").at(-1))).toEqual(
      // What lies in git is small: its blob is found by name, too.
      ["generation_config.json"],
    );
    expect(readFileSync(join(path, "model.safetensors")).equals(files["model.safetensors"] as Buffer)).toBe(true);
  });

  it("at a full commit hash needs no network once it is there", async () => {
    await hub({ [NAME]: { files: folderFiles() } });
    const path = await obtain(`${NAME}@${COMMIT}`);
    expect(existsSync(join(storage(), "refs"))).toBe(false);
    const later = await hub({});
    expect(await obtain(`${NAME}@${COMMIT}`)).toBe(path);
    expect(later.requests).toEqual([]);
  });

  it("of which Python took only a part is completed", async () => {
    const files = folderFiles();
    await hub({ [NAME]: { files } });
    const path = await obtain(`${NAME}@${COMMIT}`);
    rmSync(join(path, "generation_config.json"));
    expect(await obtain(`${NAME}@${COMMIT}`)).toBe(path);
    expect(existsSync(join(path, "generation_config.json"))).toBe(true);
  });

  it("with a file that was cut short in the cache is repaired", async () => {
    const files = folderFiles();
    await hub({ [NAME]: { files } });
    const path = await obtain(NAME);
    truncateSync(join(path, "model.safetensors"), 100);
    expect(
      readFileSync(join(await obtain(NAME), "model.safetensors")).equals(files["model.safetensors"] as Buffer),
    ).toBe(true);
  });

  it("whose weights were changed in the cache is refused", async () => {
    await hub({ [NAME]: { files: folderFiles() } });
    const path = await obtain(NAME);
    const file = join(path, "model.safetensors");
    const content = readFileSync(file);
    content[content.length - 1] = (content.at(-1) as number) ^ 1;
    writeFileSync(file, content);
    await expect(locate(NAME, {})).rejects.toMatchObject({
      code: "ERR_TOKENLENSE_FORMAT",
      message: expect.stringContaining("damaged"),
    });
  });
});

describe("a repository of GGUF files", () => {
  it("gives its only one, or the one that is named, in place and not copied", async () => {
    const one = ggufFile();
    await hub({ [NAME]: { files: { "README.md": "x", "deep/tiny-Q8_0.gguf": one } } });
    const path = await obtain(NAME);
    expect(path).toBe(join(storage(), "snapshots", COMMIT, "deep/tiny-Q8_0.gguf"));
    expect(readlinkSync(path)).toBe(join("../../../blobs", sha256(one)));
    using model = await loadModel(`${NAME}:deep/tiny-Q8_0.gguf`, { device: "cpu" });
    expect(model.name).toBe(`${NAME}:deep/tiny-Q8_0.gguf`);
    expect(model.contract.source.sha256).toBe(sha256(one));
    expect(readdirSync(modelCache()).filter((name) => name.endsWith(".gguf"))).toEqual([]);
    const later = await hub({});
    expect(await obtain(`${NAME}@${COMMIT}:deep/tiny-Q8_0.gguf`)).toBe(path);
    expect(later.requests).toEqual([]);
  });

  it("in parts is refused before it is downloaded", async () => {
    const served = await hub({ [NAME]: { files: { "big-00001-of-00002.gguf": "x", "README.md": "x" } } });
    for (const name of [NAME, `${NAME}:big-00001-of-00002.gguf`]) {
      const error = await failure(name);
      expect(error).toMatchObject({ code: "ERR_TOKENLENSE_FORMAT", hint: expect.stringContaining("--merge") });
    }
    expect(asked(served, "/resolve/")).toEqual([]);
  });

  it("of several lists them, and takes none by itself", async () => {
    const served = await hub({ [NAME]: { files: { "a-Q8_0.gguf": ggufFile(1), "a-Q4_K_M.gguf": ggufFile(2) } } });
    const error = await failure(`${NAME}@main`);
    expect(error.code).toBe("ERR_TOKENLENSE_INPUT");
    expect(error.message).toContain("2 GGUF files");
    expect(error.hint).toMatch(new RegExp(`${NAME}:a-Q8_0\\.gguf \\(\\d.*B\\), ${NAME}:a-Q4_K_M\\.gguf`));
    expect(asked(served, "/resolve/")).toEqual([]);
    const none = await failure(`${NAME}:a-Q5_K_M.gguf`);
    expect(none).toMatchObject({ code: "ERR_TOKENLENSE_FILE", hint: "Did you mean a-Q4_K_M.gguf or a-Q8_0.gguf?" });
    expect((await failure(`${NAME}:entirely-different-name.gguf`)).hint).toContain("a-Q8_0.gguf, a-Q4_K_M.gguf");
  });
});

describe("a repository that is no model of ours", () => {
  it.each([
    [["config.json", "tokenizer.json", "pytorch_model.bin"], "no model.safetensors", "PyTorch's own format"],
    [["config.json", "model.safetensors"], "no tokenizer.json", "Needed are"],
    [["README.md"], "no config.json", "Needed are"],
  ])("with %j is refused before anything is downloaded", async (names, what, hint) => {
    const files = Object.fromEntries(names.map((name) => [name, "{}"]));
    const served = await hub({ [NAME]: { files } });
    const error = await failure(NAME);
    expect(error).toMatchObject({ code: "ERR_TOKENLENSE_FILE", hint: expect.stringContaining(hint) });
    expect(error.message).toContain(what);
    expect(asked(served, "/resolve/")).toEqual([]);
  });

  it("whose index names what it lacks is refused", async () => {
    const { "model-2-of-2.safetensors": _, ...files } = folderFiles(2);
    await hub({ [NAME]: { files } });
    expect((await failure(NAME)).message).toContain("no model-2-of-2.safetensors");
  });

  it("cannot write beside its folder", async () => {
    const files = { ...folderFiles(), "../../../evil.gguf": "x" };
    await hub({ [NAME]: { files } });
    expect((await failure(`${NAME}:../../../evil.gguf`)).code).toBe("ERR_TOKENLENSE_FILE");
    expect(existsSync(join(test.folder, "evil.gguf"))).toBe(false);
  });
});

describe("without the hub", () => {
  it("a branch is taken as it last was", async () => {
    await hub({ [NAME]: { files: folderFiles() } });
    const path = await obtain(NAME);
    await server?.close();
    expect(await obtain(NAME)).toBe(path);
    const error = await failure("someone/other");
    expect(error).toMatchObject({ code: "ERR_TOKENLENSE_DOWNLOAD", hint: expect.stringContaining("HF_ENDPOINT") });
    expect(error.message).toContain("cannot be reached");
  });

  it("HF_HUB_OFFLINE asks for nothing", async () => {
    const served = await hub({ [NAME]: { files: folderFiles() } });
    const path = await obtain(NAME);
    const before = served.requests.length;
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    expect(await obtain(NAME)).toBe(path);
    const error = await failure("someone/other@dev");
    expect(error).toMatchObject({ code: "ERR_TOKENLENSE_FILE", hint: expect.stringContaining("HF_HUB_OFFLINE") });
    expect(served.requests).toHaveLength(before);
  });
});

it("reads the headers of shards, and no weight, to know what a folder holds", async () => {
  const folder = join(test.folder, "large");
  writeTinyFolder(folder, { ...TINY, vocabulary: 60_000, width: 64 }, { shards: 2 });
  const bytes = () => Number(/^rchar: (\d+)$/m.exec(readFileSync("/proc/self/io", "utf8"))?.[1]);
  const before = bytes();
  const { tensors } = await readFolder(folder);
  const read = bytes() - before;
  const files = new Set([...tensors.values()].map(({ file }) => file));
  expect(files.size).toBe(2);
  const whole = [...files].reduce((sum, file) => sum + statSync(file).size, 0);
  expect(whole).toBeGreaterThan(10_000_000);
  expect(read).toBeLessThan(1_000_000);
});
