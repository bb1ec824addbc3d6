import { EventEmitter, once } from "node:events";
import { existsSync } from "node:fs";
import { LRUCache } from "lru-cache";
import PQueue from "p-queue";
import { TokenlenseError } from "../../errors.js";
import { formatBytes } from "../../install/progress.js";
import { readArchive } from "../../models/archive.js";
import { buildArchive } from "../../models/build.js";
import { locate } from "../../models/locate.js";
import { type LoadOptions, loadModel, type Model } from "../../models/model.js";
import { cancelled, throwIfCancelled } from "../../task.js";

/** A model in use; it stays in memory until this is given back. */
export interface Lease extends Disposable {
  readonly model: Model;
}

interface Loaded {
  readonly name: string;
  readonly model: Model;
  readonly bytes: number;
  users: number;
}

/**
 * Models under one budget of memory. Those in use stay; of the others, those that were used least recently go when another
 * needs the room. A model is never loaded twice.
 */
export class ModelPool {
  readonly budget: number;
  readonly #device: string;
  readonly #used = new Map<string, Loaded>();
  readonly #idle: LRUCache<string, Loaded>;
  /** One model is loaded at a time, so that what is free can be told. */
  readonly #loads = new PQueue({ concurrency: 1 });
  readonly #events = new EventEmitter().setMaxListeners(0);

  /** @param budget Bytes of weights. */
  constructor(budget: number, device: string) {
    this.budget = budget;
    this.#device = device;
    this.#idle = new LRUCache({
      maxSize: budget,
      sizeCalculation: ({ bytes }) => bytes,
      // "delete": taken into use.
      dispose: ({ model }, _, reason) => reason !== "delete" && model.dispose(),
    });
  }

  /** What is in memory, in use or not. */
  loaded(): { name: string; bytes: number; users: number }[] {
    return [...this.#used.values(), ...this.#idle.values()].map(({ name, bytes, users }) => ({ name, bytes, users }));
  }

  /**
   * A model for use, loaded where it is not there; waits where those in use leave no room.
   * @throws ERR_TOKENLENSE_MEMORY where it alone is larger than the budget, _CANCELLED, and what `loadModel` throws.
   */
  async acquire(name: string, options: LoadOptions): Promise<Lease> {
    const { signal } = options;
    const there = this.#take(name);
    if (there) return there;
    const loading = this.#loads.add(async () => {
      throwIfCancelled(signal);
      return this.#take(name) ?? (await this.#load(name, options));
    });
    try {
      return await unlessAborted(loading, signal);
    } catch (error) {
      // Who asked has gone: what still comes is given back.
      loading.then(
        (lease) => lease[Symbol.dispose](),
        () => {},
      );
      throw error;
    }
  }

  /** Frees all that is not in use. */
  clear(): void {
    this.#idle.clear();
  }

  #take(name: string): Lease | undefined {
    const loaded = this.#used.get(name) ?? this.#idle.peek(name);
    if (!loaded) return undefined;
    this.#idle.delete(name);
    this.#used.set(name, loaded);
    return this.#lease(loaded);
  }

  #lease(loaded: Loaded): Lease {
    loaded.users++;
    let given = true;
    return {
      model: loaded.model,
      [Symbol.dispose]: () => {
        if (!given) return;
        given = false;
        if (--loaded.users > 0) return;
        this.#used.delete(loaded.name);
        this.#idle.set(loaded.name, loaded);
        this.#events.emit("freed");
      },
    };
  }

  async #load(name: string, options: LoadOptions): Promise<Lease> {
    const { archive, source } = await locate(name, options);
    if (source && !existsSync(archive)) await buildArchive(archive, await source(), options);
    const { tensorBytes: bytes } = await readArchive(archive);
    await this.#makeRoom(name, bytes, options.signal);
    const model = await loadModel(name, { ...options, device: this.#device });
    const loaded = { name, model, bytes, users: 0 };
    this.#used.set(name, loaded);
    return this.#lease(loaded);
  }

  async #makeRoom(name: string, bytes: number, signal: AbortSignal | undefined): Promise<void> {
    if (bytes > this.budget)
      throw new TokenlenseError(
        "ERR_TOKENLENSE_MEMORY",
        `${name} needs ${formatBytes(bytes)}; models may take ${formatBytes(this.budget)}.`,
        { hint: "Start the server with more (--model-memory), or ask a smaller model." },
      );
    for (;;) {
      throwIfCancelled(signal);
      const used = [...this.#used.values()].reduce((sum, model) => sum + model.bytes, 0);
      while (used + this.#idle.calculatedSize + bytes > this.budget && this.#idle.size > 0) this.#idle.pop();
      if (used + bytes <= this.budget) return;
      await once(this.#events, "freed", { signal });
    }
  }
}

/** @throws ERR_TOKENLENSE_CANCELLED as soon as `signal` fires; the work goes on until it sees that itself. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  throwIfCancelled(signal);
  const over = new AbortController();
  const aborted = once(signal, "abort", { signal: over.signal }).then(() => {
    throw cancelled(signal);
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    aborted.catch(() => {});
    over.abort();
  }
}
