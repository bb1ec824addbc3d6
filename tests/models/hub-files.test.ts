import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import type { LoadProgress } from "../../src/models/progress.js";
import { compiled, runModule } from "../install/processes.js";
import { asked, blobs, failure, folderFiles, hub, NAME, obtain, server, storage, weights } from "./hub-case.js";
import { etagOf, type Fault, gitSha1, type Request, type StandInHub, sha256 } from "./hub-standin.js";

vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof import("node:fs/promises")>();
  return { ...real, statfs: vi.fn(real.statfs) };
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
    const partial = join(storage(), "blobs", `${etag}.tokenlense.incomplete`);
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
    const partial = join(storage(), "blobs", `${etag}.tokenlense.incomplete`);
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
    expect(statSync(join(storage(), "blobs", `${etag}.tokenlense.incomplete`)).size).toBe(7000);
  });
});

it("git's digest is what `git hash-object` gives", () => {
  expect(gitSha1("hello\n")).toBe("ce013625030ba8dba906f756967f9e9ca394464a");
  expect(createHash("sha256").update("").digest("hex")).toBe(sha256(""));
});
