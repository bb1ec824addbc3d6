import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ModelPool } from "../../src/server/models/pool.js";
import { temporaryFolder, writeTinyModel } from "../tiny-model.js";

const folder = temporaryFolder();
const [one, two, three] = [1, 2, 3].map((seed) => {
  mkdirSync(join(folder, String(seed)));
  return writeTinyModel(join(folder, String(seed)), { seed });
}) as [string, string, string];

const names = (pool: ModelPool) => pool.loaded().map(({ name }) => name);

/** With room for so many of the models, which are alike in size. */
async function poolFor(count: number): Promise<ModelPool> {
  const measured = new ModelPool(2 ** 30, "cpu");
  (await measured.acquire(one, {}))[Symbol.dispose]();
  const [{ bytes } = { bytes: 0 }] = measured.loaded();
  measured.clear();
  expect(bytes).toBeGreaterThan(1000);
  return new ModelPool(count * bytes + 100, "cpu");
}

describe("models under one budget", () => {
  it("stay until another needs the room; the one used least recently goes", async () => {
    const pool = await poolFor(2);
    for (const name of [one, two, one]) (await pool.acquire(name, {}))[Symbol.dispose]();
    using third = await pool.acquire(three, {});
    expect(names(pool).sort()).toEqual([one, three]);
    expect(third.model.tokenizer.encode("a").length).toBe(1);
    using kept = await pool.acquire(one, {});
    expect(kept.model.native.contract).toContain("llama"); // throws where it was disposed of
  });

  it("are loaded once, and never go while they are used", async () => {
    const pool = await poolFor(1);
    const [first, second] = await Promise.all([pool.acquire(one, {}), pool.acquire(one, {})]);
    expect(second.model).toBe(first.model);
    let loaded = false;
    const waiting = pool.acquire(two, {}).then((lease) => {
      loaded = true;
      return lease;
    });
    using again = await pool.acquire(one, {}); // not behind the one that waits
    first[Symbol.dispose]();
    first[Symbol.dispose](); // counts once
    second[Symbol.dispose]();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect([loaded, names(pool)]).toEqual([false, [one]]);
    again[Symbol.dispose]();
    using other = await waiting;
    expect([names(pool), other.model.name]).toEqual([[two], "tiny"]);
  });

  it("are in nobody's use once who asked for them has gone", async () => {
    const pool = await poolFor(2);
    for (let turns = 0; turns < 8; turns++) {
      const controller = new AbortController();
      const asked = pool.acquire(one, { signal: controller.signal });
      for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
      controller.abort();
      await asked.then(
        (lease) => lease[Symbol.dispose](),
        (error) => expect(error).toMatchObject({ code: "ERR_TOKENLENSE_CANCELLED" }),
      );
    }
    (await pool.acquire(two, {}))[Symbol.dispose](); // after them all
    expect(pool.loaded().map(({ users }) => users)).toEqual(pool.loaded().map(() => 0));
    using _three = await pool.acquire(three, {});
    using _two = await pool.acquire(two, {}); // there is room for both
  });

  it("that are too large are refused; who waits can give up", async () => {
    const pool = await poolFor(1);
    await expect(new ModelPool(10, "cpu").acquire(one, {})).rejects.toMatchObject({ code: "ERR_TOKENLENSE_MEMORY" });
    using _used = await pool.acquire(one, {});
    const controllers = [new AbortController(), new AbortController()];
    const waiting = controllers.map(({ signal }) => pool.acquire(two, { signal }));
    for (const controller of controllers.reverse()) controller.abort();
    for (const each of waiting) await expect(each).rejects.toMatchObject({ code: "ERR_TOKENLENSE_CANCELLED" });
    await expect(pool.acquire(join(folder, "none.gguf"), {})).rejects.toMatchObject({ code: "ERR_TOKENLENSE_FILE" });
  });
});
