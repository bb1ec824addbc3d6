import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { type DownloadOptions, download } from "../../src/install/download.js";
import { type Behaviour, type StandIn, standIn } from "./standin.js";
import { isolated } from "./temporary.js";

const test = isolated();
const CONTENT = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 31 + (i >> 8)) % 256));
const SHA256 = createHash("sha256").update(CONTENT).digest("hex");

let server: StandIn | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

/** Downloads from a stand-in; the file's path is `file`, half of it lies in `.part` where `have` says so. */
async function fetchFrom(
  behaviour: Behaviour,
  more: Partial<DownloadOptions> & { have?: Buffer } = {},
): Promise<{ file: string; server: StandIn; error: (Error & { code?: string }) | undefined }> {
  const { have, ...options } = more;
  const started = await standIn(CONTENT, behaviour);
  server = started;
  const file = join(test.folder, "downloads/libtorch.zip");
  if (have) {
    mkdirSync(join(test.folder, "downloads"), { recursive: true });
    writeFileSync(`${file}.part`, have);
  }
  const onProgress = (done: number, total: number) => {
    options.onProgress?.(done, total);
    started.arrived(done);
  };
  const error = await download({
    url: started.url,
    digest: SHA256,
    file,
    backoffMilliseconds: 1,
    ...options,
    onProgress,
  }).then(
    () => undefined,
    (reason: Error) => reason,
  );
  return { file, server: started, error };
}

describe("download", () => {
  it("fetches a file whole, with progress that ends at its size", async () => {
    const seen: [number, number][] = [];
    const { file, error } = await fetchFrom(() => ({}), { onProgress: (done, total) => seen.push([done, total]) });
    expect(error).toBeUndefined();
    expect(readFileSync(file).equals(CONTENT)).toBe(true);
    expect(existsSync(`${file}.part`)).toBe(false);
    expect(seen[0]).toEqual([0, CONTENT.length]);
    expect(seen.at(-1)).toEqual([CONTENT.length, CONTENT.length]);
  });

  it("goes on where a broken connection ended", async () => {
    const { file, server, error } = await fetchFrom((request) => (request < 3 ? { drop: 80_000 } : {}));
    expect(error).toBeUndefined();
    expect(readFileSync(file).equals(CONTENT)).toBe(true);
    expect(server.ranges).toEqual([undefined, "bytes=80000-", "bytes=160000-", "bytes=240000-"]);
  });

  it("goes on where a killed process ended", async () => {
    const { file, server, error } = await fetchFrom(() => ({}), { have: CONTENT.subarray(0, 123_456) });
    expect(error).toBeUndefined();
    expect(server.ranges).toEqual(["bytes=123456-"]);
    expect(readFileSync(file).equals(CONTENT)).toBe(true);
  });

  it("takes a part that is whole already", async () => {
    const { file, server, error } = await fetchFrom(() => ({}), { have: CONTENT });
    expect(error).toBeUndefined();
    expect(server.ranges).toEqual([`bytes=${CONTENT.length}-`]);
    expect(existsSync(file)).toBe(true);
  });

  it("starts anew where the server ignores ranges", async () => {
    const { file, error } = await fetchFrom(() => ({ ignoreRange: true }), { have: CONTENT.subarray(0, 1000) });
    expect(error).toBeUndefined();
    expect(readFileSync(file).equals(CONTENT)).toBe(true);
  });

  it("starts anew, once, where what was resumed was of another file", async () => {
    const { file, server, error } = await fetchFrom(() => ({}), { have: Buffer.alloc(5000, 1) });
    expect(error).toBeUndefined();
    expect(server.ranges).toEqual(["bytes=5000-", undefined]);
    expect(readFileSync(file).equals(CONTENT)).toBe(true);
  });

  it("starts anew where the part is longer than the file", async () => {
    const { error, server } = await fetchFrom(() => ({}), { have: Buffer.concat([CONTENT, CONTENT]) });
    expect(error).toBeUndefined();
    expect(server.ranges).toEqual([`bytes=${2 * CONTENT.length}-`, undefined]);
  });

  it("refuses a wrong digest that comes twice, and keeps nothing", async () => {
    const { file, error, server } = await fetchFrom(() => ({}), { digest: "0".repeat(64) });
    expect(error).toMatchObject({ code: "ERR_TOKENLENSE_DOWNLOAD" });
    expect(error?.message).toContain(SHA256);
    expect(server.ranges).toHaveLength(2);
    expect(existsSync(file)).toBe(false);
    expect(existsSync(`${file}.part`)).toBe(false);
  });

  it("refuses at once what is not there", async () => {
    const { error, server } = await fetchFrom(() => ({ status: 404 }));
    expect(error).toMatchObject({ code: "ERR_TOKENLENSE_DOWNLOAD" });
    expect(error?.message).toContain("404");
    expect(server.ranges).toHaveLength(1);
  });

  it("tries again when the server is busy, but not for ever", async () => {
    const patient = await fetchFrom((request) => (request < 2 ? { status: 503 } : {}));
    expect(patient.error).toBeUndefined();
    await patient.server.close();
    const { error, server } = await fetchFrom(() => ({ status: 503 }), { file: join(test.folder, "other") });
    expect(error).toMatchObject({ code: "ERR_TOKENLENSE_DOWNLOAD" });
    expect(server.ranges).toHaveLength(4);
  });

  it("breaks off a stalled transfer and goes on", async () => {
    const { file, server, error } = await fetchFrom((request) => (request === 0 ? { stall: 70_000 } : {}), {
      stallMilliseconds: 2000,
    });
    expect(error).toBeUndefined();
    expect(server.ranges).toEqual([undefined, "bytes=70000-"]);
    expect(readFileSync(file).equals(CONTENT)).toBe(true);
  });

  it("keeps what has come when it gives up", async () => {
    const { file, error } = await fetchFrom((request) => (request === 0 ? { drop: 50_000 } : { status: 500 }));
    expect(error).toMatchObject({ code: "ERR_TOKENLENSE_DOWNLOAD" });
    expect(existsSync(file)).toBe(false);
    expect(readFileSync(`${file}.part`).equals(CONTENT.subarray(0, 50_000))).toBe(true);
  });

  it("stops at the signal, and keeps what has come", async () => {
    const controller = new AbortController();
    const { file, error } = await fetchFrom(() => ({ stall: 60_000 }), {
      signal: controller.signal,
      onProgress: (done) => done > 0 && controller.abort(),
    });
    expect(error).toMatchObject({ code: "ERR_TOKENLENSE_CANCELLED" });
    expect(existsSync(file)).toBe(false);
  });

  it("says which folder cannot be written", async () => {
    writeFileSync(join(test.folder, "downloads"), "a file where a folder should be");
    const { error } = await fetchFrom(() => ({}));
    expect(error).toMatchObject({ code: "ERR_TOKENLENSE_DISK", hint: expect.stringContaining("TOKENLENSE_CACHE") });
  });

  it("names a host that cannot be reached", async () => {
    const file = join(test.folder, "file");
    await expect(
      download({ url: "http://host.invalid/file", digest: SHA256, file, backoffMilliseconds: 1 }),
    ).rejects.toMatchObject({ code: "ERR_TOKENLENSE_DOWNLOAD", message: expect.stringContaining("host.invalid") });
  });
});
