import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, vi } from "vitest";
import { TokenlenseError } from "../../src/errors.js";
import { makeOnce, modelCache } from "../../src/models/cache.js";
import { compiled, runModule } from "../install/processes.js";
import { isolated } from "../install/temporary.js";

vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof import("node:fs/promises")>();
  return { ...real, statfs: vi.fn(real.statfs) };
});

const test = isolated();
const entry = () => join(modelCache(), "tiny-0123456789ab.pt");
const write = (text: string) => async (temporary: string) => writeFileSync(temporary, text);

/** A process of its own that makes the entry: says "writing", then takes `milliseconds` over it. */
function maker(text: string, milliseconds: number) {
  return runModule(
    `import { makeOnce } from ${JSON.stringify(compiled("models/cache.js"))};
     import { writeFileSync } from "node:fs";
     import { setTimeout } from "node:timers/promises";
     await makeOnce({
       path: ${JSON.stringify(entry())},
       bytes: 1,
       async write(temporary) {
         writeFileSync(temporary, "half of ");
         console.log("writing");
         await setTimeout(${milliseconds});
         writeFileSync(temporary, ${JSON.stringify(text)});
       },
     });
     console.log("done");`,
    { env: { ...process.env } },
  );
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(20);
}

const temporaries = () => readdirSync(modelCache()).filter((name) => name.endsWith(".tmp"));

describe("makeOnce", () => {
  it("makes an entry whole, and not again", async () => {
    await makeOnce({ path: entry(), bytes: 5, write: write("first") });
    await makeOnce({ path: entry(), bytes: 5, write: write("second") });
    expect(readFileSync(entry(), "utf8")).toBe("first");
    expect(readdirSync(modelCache())).toEqual(["tiny-0123456789ab.pt"]);
  });

  it("leaves nothing where writing fails, and works the next time", async () => {
    const failing = async (temporary: string) => {
      writeFileSync(temporary, "half");
      throw new Error("no more");
    };
    await expect(makeOnce({ path: entry(), bytes: 5, write: failing })).rejects.toThrow("no more");
    expect(readdirSync(modelCache())).toEqual([]);
    await makeOnce({ path: entry(), bytes: 5, write: write("second") });
    expect(readFileSync(entry(), "utf8")).toBe("second");
  });

  it("is written by one of two processes, and both have it", async () => {
    const both = [maker("by the first", 600), maker("by the second", 600)];
    const ends = await Promise.all(both.map(({ ended }) => ended));
    expect(ends.map(({ code, stderr }) => ({ code, stderr }))).toEqual([
      { code: 0, stderr: "" },
      { code: 0, stderr: "" },
    ]);
    expect(ends.filter(({ stdout }) => stdout.includes("writing"))).toHaveLength(1);
    expect(ends.every(({ stdout }) => stdout.includes("done"))).toBe(true);
    expect(readFileSync(entry(), "utf8")).toMatch(/^by the (first|second)$/);
    expect(readdirSync(modelCache())).toEqual(["tiny-0123456789ab.pt"]);
  });

  it("takes over from a process that was killed, and clears up after it", async () => {
    const { child, ended } = maker("never", 60_000);
    await until(() => existsSync(modelCache()) && temporaries().length > 0);
    child.kill("SIGKILL");
    await ended;
    expect(temporaries()).toHaveLength(1);
    const phases: string[] = [];
    await makeOnce({
      path: entry(),
      bytes: 1,
      write: write("after all"),
      onProgress: ({ phase }) => phases.push(phase),
    });
    expect(phases).toEqual(["wait"]);
    expect(readFileSync(entry(), "utf8")).toBe("after all");
    expect(readdirSync(modelCache())).toEqual(["tiny-0123456789ab.pt"]);
  });

  it("can be cancelled while it waits", async () => {
    const { child, ended } = maker("late", 60_000);
    await until(() => existsSync(modelCache()) && temporaries().length > 0);
    const controller = new AbortController();
    const onProgress = () => controller.abort(new Error("enough"));
    const waiting = makeOnce({ path: entry(), bytes: 1, write: write("x"), signal: controller.signal, onProgress });
    await expect(waiting).rejects.toMatchObject({ code: "ERR_TOKENLENSE_CANCELLED" });
    child.kill("SIGKILL");
    await ended;
  });

  it("asks for the space first", async () => {
    vi.mocked(statfs).mockResolvedValueOnce({ bavail: 3, bsize: 1000 } as Awaited<ReturnType<typeof statfs>>);
    const unwanted = vi.fn(write("x"));
    const error = await makeOnce({ path: entry(), bytes: 540_000_000, write: unwanted }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ code: "ERR_TOKENLENSE_DISK", hint: expect.stringContaining("TOKENLENSE_CACHE") });
    expect((error as Error).message).toContain("540 MB");
    expect((error as Error).message).toContain(modelCache());
    expect((error as Error).message).toContain("3000 bytes");
    expect(unwanted).not.toHaveBeenCalled();
    expect(readdirSync(modelCache())).toEqual([]);
  });

  it.each([
    Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" }),
    new TokenlenseError("ERR_TOKENLENSE_DISK", "Writing /x failed: No space left on device."),
  ])("says what was needed when the disk fills up: %s", async (cause) => {
    const failing = async (temporary: string) => {
      writeFileSync(temporary, "half");
      throw cause;
    };
    const error = await makeOnce({ path: entry(), bytes: 123_456, write: failing }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      code: "ERR_TOKENLENSE_DISK",
      hint: expect.stringContaining("TOKENLENSE_CACHE"),
      cause,
    });
    expect((error as Error).message).toContain("123456 bytes are needed");
    expect(readdirSync(modelCache())).toEqual([]);
  });

  it("says where it may not write", async () => {
    mkdirSync(test.folder, { recursive: true });
    writeFileSync(join(test.folder, "cache"), "a file where the folder should be");
    await expect(makeOnce({ path: entry(), bytes: 1, write: write("x") })).rejects.toMatchObject({
      code: "ERR_TOKENLENSE_DISK",
      hint: expect.stringContaining("TOKENLENSE_CACHE"),
    });
  });
});
