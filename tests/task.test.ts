import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { TokenlenseError } from "../src/errors.js";
import type { NativeTask } from "../src/native.js";
import { run, throwIfCancelled } from "../src/task.js";

function deferred() {
  let resolve: (value: number) => void = () => {};
  let reject: (reason: Error) => void = () => {};
  const promise = new Promise<number>((yes, no) => {
    [resolve, reject] = [yes, no];
  });
  return { promise, resolve, reject };
}

function pendingTask() {
  const { promise, resolve, reject } = deferred();
  let cancelled = 0;
  const task: NativeTask<number> = {
    promise,
    cancel: () => {
      cancelled++;
      reject(Object.assign(new Error("The work was cancelled."), { code: "ERR_TOKENLENSE_CANCELLED" }));
    },
  };
  return { task, resolve, reject, cancelled: () => cancelled };
}

describe("run", () => {
  it("gives the result and takes its listener away", async () => {
    const { task, resolve } = pendingTask();
    const { signal } = new AbortController();
    const waiting = run(task, signal);
    expect(getEventListeners(signal, "abort")).toHaveLength(1);
    resolve(7);
    expect(await waiting).toBe(7);
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });

  it("cancels the task when the signal fires, with its reason as cause", async () => {
    const { task, cancelled } = pendingTask();
    const controller = new AbortController();
    const waiting = run(task, controller.signal);
    const reason = new Error("enough");
    controller.abort(reason);
    await expect(waiting).rejects.toMatchObject({ code: "ERR_TOKENLENSE_CANCELLED", cause: reason });
    expect(cancelled()).toBe(1);
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
  });

  it("throws at once where the signal has fired, and cancels the task", async () => {
    const { task, cancelled } = pendingTask();
    await expect(run(task, AbortSignal.abort("early"))).rejects.toMatchObject({ cause: "early" });
    expect(cancelled()).toBe(1);
  });

  it("makes the addon's errors ours, with code and hint", async () => {
    const { task, reject } = pendingTask();
    reject(Object.assign(new Error("too large"), { code: "ERR_TOKENLENSE_MEMORY", hint: "give more" }));
    const error = await run(task).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(TokenlenseError);
    expect(error).toMatchObject({ code: "ERR_TOKENLENSE_MEMORY", message: "too large", hint: "give more" });
  });

  it("keeps an error that came before the cancellation took", async () => {
    const { promise, reject } = deferred();
    const controller = new AbortController();
    const waiting = run({ promise, cancel: () => reject(new Error("broke first")) }, controller.signal);
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ code: "ERR_TOKENLENSE_NATIVE", message: "broke first" });
  });
});

it("throwIfCancelled throws only after the signal has fired", () => {
  throwIfCancelled(undefined);
  throwIfCancelled(new AbortController().signal);
  expect(() => throwIfCancelled(AbortSignal.abort())).toThrow(TokenlenseError);
});
