import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { statfs } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { TokenlenseError } from "../../src/errors.js";
import { modelCache } from "../../src/models/cache.js";
import { knownSha256 } from "../../src/models/digest.js";
import { obtainFromHub } from "../../src/models/hub.js";
import { type HubOptions, parseHubSource } from "../../src/models/hub-source.js";
import { locate } from "../../src/models/locate.js";
import { loadModel } from "../../src/models/model.js";
import type { LoadProgress } from "../../src/models/progress.js";
import { compiled, runModule } from "../install/processes.js";
import { isolated } from "../install/temporary.js";
import { writeTinyFolder } from "./folder-writer.js";
import {
  COMMIT,
  etagOf,
  type Fault,
  gitSha1,
  type Repository,
  type Request,
  type StandInHub,
  sha256,
  standInHub,
} from "./hub-standin.js";
import { pythonHub } from "./python-hub.js";
import { type TinyOptions, writeTinyLlama } from "./tiny.js";

vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof import("node:fs/promises")>();
  return { ...real, statfs: vi.fn(real.statfs) };
});

const libtorch = process.env.LIBTORCH;
const python = pythonHub();
const test = isolated();
let cache: string;
let server: StandInHub | undefined;
beforeEach(() => {
  cache = join(test.folder, "hub");
  vi.stubEnv("LIBTORCH", libtorch);
  vi.stubEnv("HF_HUB_CACHE", cache);
  vi.stubEnv("HF_HOME", join(test.folder, "home"));
  for (const name of [
    "HF_HUB_OFFLINE",
    "TRANSFORMERS_OFFLINE",
    "HF_TOKEN",
    "HUGGINGFACE_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "HF_TOKEN_PATH",
  ])
    vi.stubEnv(name, undefined);
});
afterEach(async () => {
  await server?.close();
  server = undefined;
});

const TINY: TinyOptions = {
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headDim: 8,
  width: 32,
  hidden: 48,
  vocabulary: 280,
  context: 16,
  encoding: "F32",
  seed: 3,
};
const NAME = "someone/tiny-llama";
const LATER = "1".repeat(40);

/** A folder of safetensors as a repository has it, with files beside that no model needs. */
function folderFiles(shards = 1): Record<string, Buffer> {
  const folder = join(test.folder, `made-${shards}`);
  writeTinyFolder(folder, TINY, { shards });
  const files = readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))] as const);
  return { "README.md": Buffer.from("# tiny"), ...Object.fromEntries(files), "onnx/model.bin": Buffer.alloc(5000) };
}

function ggufFile(seed = 3): Buffer {
  const path = join(test.folder, `made-${seed}.gguf`);
  writeTinyLlama(path, { ...TINY, encoding: "Q8_0", seed });
  return readFileSync(path);
}

/** Serves repositories; what `fault` says of the n-th request for the same path. */
async function hub(
  repositories: Record<string, Repository>,
  fault?: (request: Request, earlier: number) => Fault | undefined,
): Promise<StandInHub> {
  await server?.close();
  server = await standInHub(repositories, fault);
  vi.stubEnv("HF_ENDPOINT", server.url);
  return server;
}

const obtain = (text: string, options: HubOptions = {}) => {
  const source = parseHubSource(text);
  if (!source) throw new Error(`${text} is no source`);
  return obtainFromHub(source, options);
};

async function failure(text: string, options: HubOptions = {}): Promise<TokenlenseError> {
  const error = await obtain(text, options).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(TokenlenseError);
  return error as TokenlenseError;
}

const storage = (name = NAME) => join(cache, `models--${name.replace("/", "--")}`);
const blobs = () => readdirSync(join(storage(), "blobs"));
const weights = (path: string) => path.startsWith("/cdn/") && path.endsWith(".safetensors");
const asked = (hub: StandInHub, part: string) => hub.requests.filter(({ path }) => path.includes(part));

describe("the name of a model on the hub", () => {
  it.each([
    ["owner/name", { repo: "owner/name", revision: "main", file: undefined }],
    ["owner/name@v1.0", { repo: "owner/name", revision: "v1.0", file: undefined }],
    ["owner/name@refs/pr/3", { repo: "owner/name", revision: "refs/pr/3", file: undefined }],
    ["owner/a.b_c-1:q8_0.gguf", { repo: "owner/a.b_c-1", revision: "main", file: "q8_0.gguf" }],
    ["owner/name@dev:deep/Q4_1.GGUF", { repo: "owner/name", revision: "dev", file: "deep/Q4_1.GGUF" }],
  ])("%s is read", (text, source) => {
    expect(parseHubSource(text)).toEqual(source);
  });

  it.each([
    "name",
    "./owner/name",
    "/owner/name",
    "../name",
    "a/b/c",
    "owner/name.gguf",
    "owner/name.pt",
    "owner/..",
    "o/n@../../x",
    "o/n@",
    "o/n:",
    "o/n:x.txt",
    "C:/models",
    "o\\n",
    "o/a--b",
  ])("%s is none", (text) => {
    expect(parseHubSource(text)).toBeUndefined();
  });

  it("is whole again when it is put together, whatever its parts", () => {
    const part = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_]{0,8}$/);
    fc.assert(
      fc.property(part, part, fc.option(part), fc.option(part), (owner, name, revision, file) => {
        const text = `${owner}/${name}${revision === null ? "" : `@${revision}`}${file === null ? "" : `:${file}.gguf`}`;
        expect(parseHubSource(text)).toEqual({
          repo: `${owner}/${name}`,
          revision: revision ?? "main",
          file: file === null ? undefined : `${file}.gguf`,
        });
      }),
    );
  });
});

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

describe("a download", () => {
  const size = () => (folderFiles()["model.safetensors"] as Buffer).length;

  it("goes on where the connection broke", async () => {
    const files = folderFiles();
    const served = await hub({ [NAME]: { files } }, ({ path }, earlier) =>
      weights(path) && earlier < 2 ? { drop: 10_000 } : undefined,
    );
    const path = await obtain(NAME);
    expect(readFileSync(join(path, "model.safetensors")).equals(files["model.safetensors"] as Buffer)).toBe(true);
    expect(served.requests.filter(({ path }) => weights(path)).map(({ start }) => start)).toEqual([0, 10_000, 20_000]);
    expect(blobs().filter((name) => name.includes("."))).toEqual([]);
  });

  it("goes on where a killed process ended", async () => {
    const files = folderFiles();
    const etag = sha256(files["model.safetensors"] as Buffer);
    const served = await hub({ [NAME]: { files } }, ({ path }, earlier) =>
      weights(path) && earlier === 0 ? { stall: 12_345 } : undefined,
    );
    const { child, ended } = runModule(
      `import { loadModel } from ${JSON.stringify(compiled("models/model.js"))};
       await loadModel(${JSON.stringify(NAME)});`,
      { env: { ...process.env } },
    );
    const partial = join(storage(), "blobs", `${etag}.incomplete`);
    await vi.waitFor(() => expect(statSync(partial).size).toBe(12_345), { timeout: 20_000 });
    child.kill("SIGKILL");
    expect((await ended).signal).toBe("SIGKILL");
    const seen: LoadProgress[] = [];
    const path = await obtain(NAME, { onProgress: (progress) => seen.push(progress) });
    expect(readFileSync(join(path, "model.safetensors")).equals(files["model.safetensors"] as Buffer)).toBe(true);
    expect(served.requests.filter(({ path }) => weights(path)).map(({ start }) => start)).toEqual([0, 12_345]);
    expect(seen.find(({ phase }) => phase === "download")).toMatchObject({ done: 12_345, total: size() });
    expect(blobs().filter((name) => name.includes("."))).toEqual([]);
  });

  it("asks for the rest of a body that ended early", async () => {
    const files = folderFiles();
    const served = await hub({ [NAME]: { files } }, ({ path }, earlier) =>
      weights(path) && earlier === 0 ? { short: 5000 } : undefined,
    );
    const path = await obtain(NAME);
    expect(readFileSync(join(path, "model.safetensors")).equals(files["model.safetensors"] as Buffer)).toBe(true);
    expect(served.requests.filter(({ path }) => weights(path)).map(({ start }) => start)).toEqual([0, 5000]);
  });

  it.each(["model.safetensors", "tokenizer.json"])(
    "of other bytes for %s is discarded, and made once more",
    async (name) => {
      const files = folderFiles();
      const [once, always] = [1, 99].map(
        (times) =>
          ({ path }: Request, earlier: number) =>
            path.endsWith(`/${name}`) && (path.startsWith("/cdn/") || name.endsWith("json")) && earlier < times
              ? { wrong: true }
              : undefined,
      );
      await hub({ [NAME]: { files } }, always);
      const error = await failure(NAME);
      expect(error).toMatchObject({ code: "ERR_TOKENLENSE_DOWNLOAD", hint: expect.stringContaining("discarded") });
      expect(error.message).toContain(`${etagOf(name, files[name] as Buffer)} was expected`);
      const served = server as StandInHub;
      expect(
        served.requests.filter(
          ({ path }) => path.endsWith(`/${name}`) && (path.startsWith("/cdn") || name.endsWith("json")),
        ),
      ).toHaveLength(2);
      expect(blobs().some((blob) => blob.startsWith(etagOf(name, files[name] as Buffer)))).toBe(false);
      await hub({ [NAME]: { files } }, once);
      const path = await obtain(NAME);
      expect(readFileSync(join(path, name)).equals(files[name] as Buffer)).toBe(true);
    },
  );

  it("is one for two processes at once", async () => {
    const files = folderFiles();
    const served = await hub({ [NAME]: { files } });
    const paths = await Promise.all([obtain(NAME), obtain(NAME)]);
    expect(paths[0]).toBe(paths[1]);
    expect(served.requests.filter(({ path }) => weights(path))).toHaveLength(1);
  });

  it("stops at the signal and keeps what has come", async () => {
    await hub({ [NAME]: { files: folderFiles() } }, ({ path }) => (weights(path) ? { stall: 8000 } : undefined));
    const controller = new AbortController();
    const etag = sha256(folderFiles()["model.safetensors"] as Buffer);
    const partial = join(storage(), "blobs", `${etag}.incomplete`);
    const watch = setInterval(
      () => existsSync(partial) && statSync(partial).size === 8000 && controller.abort(new Error("enough")),
      5,
    );
    const error = await failure(NAME, { signal: controller.signal });
    clearInterval(watch);
    expect(error.code).toBe("ERR_TOKENLENSE_CANCELLED");
    expect(statSync(partial).size).toBe(8000);
  });

  it("asks for the space of all files first, and names the variable that moves the cache", async () => {
    const served = await hub({ [NAME]: { files: folderFiles(2) } });
    // Small files fit; then the weights do not.
    const real = vi.mocked(statfs).getMockImplementation();
    vi.mocked(statfs).mockImplementation(async () => ({ bavail: 50, bsize: 1000 }) as never);
    const error = await failure(NAME);
    vi.mocked(statfs).mockImplementation(real as never);
    expect(error).toMatchObject({ code: "ERR_TOKENLENSE_DISK", hint: expect.stringContaining("HF_HUB_CACHE") });
    expect(served.requests.filter(({ path }) => weights(path))).toEqual([]);
  });
});

describe("a busy hub", () => {
  it.each([
    [429, { "retry-after": "1" }],
    [503, {}],
    [500, { "retry-after": new Date(0).toUTCString() }],
  ])("that answers %i %j is asked again", async (status, headers) => {
    const files = folderFiles();
    const busy = (_: Request, earlier: number) => (earlier === 0 ? { status, headers } : undefined);
    const served = await hub({ [NAME]: { files } }, busy);
    const path = await obtain(NAME);
    expect(readFileSync(join(path, "model.safetensors")).equals(files["model.safetensors"] as Buffer)).toBe(true);
    for (const part of ["/revision/", "/tree/", "/cdn/"]) expect(asked(served, part).length).toBeGreaterThan(1);
  });

  it.each([
    [{ "retry-after": "3600" }, "3600 s"],
    [{ ratelimit: '"api";r=0;t=290' }, "290 s"],
  ])("that asks to wait for long by %j is an error that says how long", async (headers, said) => {
    const served = await hub({ [NAME]: { files: {} } }, () => ({ status: 429, headers }));
    const error = await failure(NAME);
    expect(error).toMatchObject({ code: "ERR_TOKENLENSE_DOWNLOAD", hint: expect.stringContaining("token") });
    expect(error.message).toContain(said);
    expect(served.requests).toHaveLength(1);
  });

  it("for too long is an error, of a file as of the listing, and what has come is kept", async () => {
    const files = folderFiles();
    const served = await hub({ [NAME]: { files } }, () => ({ status: 502 }));
    expect(await failure(NAME)).toMatchObject({
      code: "ERR_TOKENLENSE_DOWNLOAD",
      message: expect.stringContaining("502"),
    });
    expect(served.requests).toHaveLength(4);
    const breaking = ({ path }: Request, earlier: number): Fault | undefined =>
      weights(path) ? (earlier === 0 ? { drop: 7000 } : { status: 504 }) : undefined;
    await hub({ [NAME]: { files } }, breaking);
    const error = await failure(NAME);
    expect(error).toMatchObject({ code: "ERR_TOKENLENSE_DOWNLOAD", message: expect.stringContaining("504") });
    const etag = sha256(files["model.safetensors"] as Buffer);
    expect(statSync(join(storage(), "blobs", `${etag}.incomplete`)).size).toBe(7000);
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

describe("access", () => {
  const gated = {
    status: 403,
    headers: { "x-error-code": "GatedRepo", "x-error-message": "Access to model is restricted." },
  };

  it("to a gated repository: how to get it, without a token and with one", async () => {
    await hub({ [NAME]: { files: folderFiles() } }, () => ({ ...gated, status: 401 }));
    const stranger = await failure(NAME);
    expect(stranger.code).toBe("ERR_TOKENLENSE_ACCESS");
    expect(stranger.message).toContain("is gated");
    expect(stranger.hint).toContain(`${server?.url}/${NAME}`);
    expect(stranger.hint).toContain("HF_TOKEN");
    expect(stranger.hint).toContain("hf auth login");
    vi.stubEnv("HF_TOKEN", "hf_secret");
    await hub({ [NAME]: { files: folderFiles() } }, () => gated);
    const known = await failure(NAME);
    expect(known.code).toBe("ERR_TOKENLENSE_ACCESS");
    expect(known.hint).toContain("the account whose token is in HF_TOKEN");
    expect(`${known.message} ${known.hint}`).not.toContain("hf_secret");
  });

  it("may be refused for the files where the listing is open", async () => {
    await hub({ [NAME]: { files: folderFiles() } }, ({ path }) => (path.includes("/resolve/") ? gated : undefined));
    expect((await failure(NAME)).code).toBe("ERR_TOKENLENSE_ACCESS");
  });

  it("with a token that is not accepted names where it is from", async () => {
    const headers = { "x-error-message": "Invalid credentials in Authorization header" };
    await hub({}, () => ({ status: 401, headers }));
    vi.stubEnv("HF_TOKEN", "hf_old");
    const error = await failure(NAME);
    expect(error.code).toBe("ERR_TOKENLENSE_ACCESS");
    expect(error.message).toContain("the token from HF_TOKEN");
  });

  it("that a token lacks says so", async () => {
    await hub({}, () => ({
      status: 403,
      headers: { "x-error-message": "Please enable access to public gated repositories" },
    }));
    vi.stubEnv("HF_TOKEN", "hf_fine_grained");
    const error = await failure(NAME);
    expect(error).toMatchObject({ code: "ERR_TOKENLENSE_ACCESS", hint: expect.stringContaining("HF_TOKEN") });
    expect(error.message).toContain("enable access");
  });

  it.each([
    ["HUGGINGFACE_TOKEN", () => vi.stubEnv("HUGGINGFACE_TOKEN", "hf_a")],
    ["HF_TOKEN", () => vi.stubEnv("HF_TOKEN", " hf_a\n")],
    [
      "HF_TOKEN_PATH",
      () => {
        writeFileSync(join(test.folder, "elsewhere"), "hf_a\n");
        vi.stubEnv("HF_TOKEN_PATH", join(test.folder, "elsewhere"));
      },
    ],
    [
      "the login file",
      () => {
        mkdirSync(join(test.folder, "home"));
        writeFileSync(join(test.folder, "home/token"), "hf_a");
      },
    ],
  ])("by the token of %s goes to the hub and to no other host", async (_, login) => {
    login();
    const served = await hub({ [NAME]: { files: folderFiles() } });
    await obtain(NAME);
    const own = served.requests.filter(({ path }) => !path.startsWith("/cdn"));
    expect(new Set(own.map(({ authorization }) => authorization))).toEqual(new Set(["Bearer hf_a"]));
    const others = asked(served, "/cdn");
    expect(others.length).toBeGreaterThan(0);
    expect(new Set(others.map(({ authorization }) => authorization))).toEqual(new Set([undefined]));
  });
});

describe("what is not there", () => {
  it("is a repository that nobody has, or that is hidden: with the nearest known names", async () => {
    await hub({ [NAME]: { files: folderFiles() } });
    await obtain(NAME);
    for (const token of [undefined, "hf_a"]) {
      vi.stubEnv("HF_TOKEN", token);
      const error = await failure("someone/tiny-lama");
      expect(error).toMatchObject({
        code: "ERR_TOKENLENSE_MODEL",
        hint: expect.stringContaining(`Did you mean ${NAME}?`),
      });
      expect(error.message).toContain("no model someone/tiny-lama");
    }
  });

  it("is a revision: with the nearest of its branches and tags", async () => {
    await hub({ [NAME]: { files: folderFiles(), refs: { main: COMMIT, "v1.0": LATER } } });
    expect(await failure(`${NAME}@v1`)).toMatchObject({
      code: "ERR_TOKENLENSE_MODEL",
      message: expect.stringContaining('no revision "v1"'),
      hint: expect.stringContaining("v1.0"),
    });
    expect((await failure(`${NAME}@${"0".repeat(40)}`)).hint).toContain("main, v1.0");
  });
});

describe("the cache is Python's", () => {
  /** Runs huggingface_hub in a process of its own; what it prints. */
  async function inPython(program: string): Promise<string> {
    const env = { ...process.env, PYTHONPATH: python.packages, HF_HUB_DISABLE_XET: "1" };
    const { stdout } = await promisify(execFile)(python.executable, ["-c", program], { env });
    return stdout.trim();
  }

  it("which finds what was downloaded here", async () => {
    const files = folderFiles(2);
    await hub({ [NAME]: { files } });
    const path = await obtain(NAME);
    const found = JSON.parse(
      await inPython(`
import json
from huggingface_hub import snapshot_download, try_to_load_from_cache, scan_cache_dir, _CACHED_NO_EXIST
name = ${JSON.stringify(NAME)}
cache = scan_cache_dir()
[repo] = cache.repos
[revision] = repo.revisions
print(json.dumps({
  "weights": try_to_load_from_cache(name, "model-1-of-2.safetensors"),
  "pinned": try_to_load_from_cache(name, "config.json", revision="${COMMIT}"),
  "none": try_to_load_from_cache(name, "chat_template.jinja") is _CACHED_NO_EXIST,
  "snapshot": snapshot_download(name, local_files_only=True),
  "repo": repo.repo_id, "commit": revision.commit_hash, "refs": sorted(revision.refs),
  "files": sorted(file.file_name for file in revision.files), "size": repo.size_on_disk,
  "warnings": [str(warning) for warning in cache.warnings],
}))`),
    );
    const names = Object.keys(files).filter((name) => !/README|onnx/.test(name));
    expect(found).toEqual({
      weights: join(path, "model-1-of-2.safetensors"),
      pinned: join(path, "config.json"),
      none: true,
      snapshot: path,
      repo: NAME,
      commit: COMMIT,
      refs: ["main"],
      files: names.toSorted(),
      size: names.reduce((sum, name) => sum + (files[name] as Buffer).length, 0),
      warnings: [],
    });
  });

  it("whose downloads are found here", async () => {
    await hub({ [NAME]: { files: folderFiles(2) } });
    const path = await inPython(
      `from huggingface_hub import snapshot_download; print(snapshot_download(${JSON.stringify(NAME)}))`,
    );
    expect(path).toBe(join(storage(), "snapshots", COMMIT));
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    using model = await loadModel(NAME, { device: "cpu" });
    expect(model.contract).toMatchObject({ layers: 2, source: { name: NAME, file: COMMIT } });
  });
});

it("reads the headers of shards, and no weight, to know what a folder holds", async () => {
  const { readFolder } = await import("../../src/models/folder.js");
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

it("git's digest is what `git hash-object` gives", () => {
  expect(gitSha1("hello\n")).toBe("ce013625030ba8dba906f756967f9e9ca394464a");
  expect(createHash("sha256").update("").digest("hex")).toBe(sha256(""));
});
