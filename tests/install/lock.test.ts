import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { withLock } from "../../src/install/lock.js";
import { isolated, write } from "./temporary.js";

const test = isolated();

describe("withLock", () => {
  it("lets one at a time in, and tells who waits, once", async () => {
    const file = join(test.folder, "a/b.lock");
    const events: string[] = [];
    let release = () => {};
    const first = withLock(file, async () => {
      events.push("first in");
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      events.push("first out");
    });
    while (events.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const second = withLock(
      file,
      async () => {
        events.push("second in");
        return 2;
      },
      () => {
        events.push("second waits");
        release();
      },
    );
    await first;
    expect(await second).toBe(2);
    expect(events).toEqual(["first in", "second waits", "first out", "second in"]);
    expect(existsSync(file)).toBe(false);
  });

  it("is given back where the work fails", async () => {
    const file = join(test.folder, "b.lock");
    await expect(withLock(file, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(await withLock(file, async () => 1)).toBe(1);
  });

  it("says where it cannot be made", async () => {
    write(join(test.folder, "file"));
    await expect(withLock(join(test.folder, "file/c.lock"), async () => 1)).rejects.toMatchObject({
      code: "ERR_TOKENLENSE_DISK",
      hint: expect.stringContaining("TOKENLENSE_CACHE"),
    });
  });
});
