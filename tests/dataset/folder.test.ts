import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, rmdir, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { takeFolder } from "../../src/dataset/folder.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tokenlense-"));
});
afterEach(() => rm(folder, { recursive: true }));

const ignore = () => {};

describe("takeFolder", () => {
  it("lets one at a time in, and the next when that one is through", async () => {
    const run = join(folder, "deep", "run");
    const release = await takeFolder(run, ignore);
    await expect(takeFolder(run, ignore)).rejects.toMatchObject({
      code: "ERR_TOKENLENSE_DISK",
      message: expect.stringContaining("Another process is at work"),
    });
    await release();
    await (await takeFolder(run, ignore))();
    expect(existsSync(join(run, ".lock"))).toBe(false);
  });

  it("takes over from a process that was killed", async () => {
    const lock = join(folder, ".lock");
    await mkdir(lock);
    await utimes(lock, new Date(), new Date(Date.now() - 1500)); // when it was last seen alive
    await (await takeFolder(folder, ignore))();
  });

  it("says when another process has taken the folder all the same", async () => {
    const lock = join(folder, ".lock");
    const lost = new Promise((resolve) => takeFolder(folder, resolve).then(() => rmdir(lock)));
    expect(await lost).toMatchObject({ code: "ECOMPROMISED" });
  });

  it("says where nothing can be written", async () => {
    await writeFile(join(folder, "taken"), "");
    await expect(takeFolder(join(folder, "taken"), ignore)).rejects.toMatchObject({ code: "ERR_TOKENLENSE_DISK" });
  });
});
