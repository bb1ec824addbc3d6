import type { Dtype } from "../models/contract.js";
import type { Model } from "../models/model.js";
import { exitCodes } from "./failure.js";
import { Progress } from "./progress.js";

/** What the commands over a model share, as commander gives it. */
export interface ModelFlags {
  model: string;
  device: string;
  dtype?: Dtype;
  chat: boolean;
  system?: string;
  temperature: number;
  topK: number;
  topP: number;
  seed?: number;
  maxNewTokens: number;
  json?: true;
}

/** A prompt from the command line, or from stdin where it is "-": then without the line end that `echo` adds. */
export async function promptText(argument: string): Promise<string> {
  if (argument !== "-") return argument;
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks)
    .toString("utf8")
    .replace(/\r?\n$/, "");
}

/** Runs `work` with progress shown and Ctrl-C as its signal; a second Ctrl-C ends the process at once. */
export async function interruptible<T>(work: (signal: AbortSignal, progress: Progress) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(exitCodes.cancelled);
    controller.abort(new Error("Interrupted."));
  };
  process.on("SIGINT", interrupt);
  const progress = await Progress.create();
  try {
    return await work(controller.signal, progress);
  } finally {
    progress.stop();
    process.off("SIGINT", interrupt);
  }
}

/** `interruptible`, with the model loaded. */
export function withModel<T>(
  flags: ModelFlags,
  work: (model: Model, signal: AbortSignal, progress: Progress) => Promise<T>,
): Promise<T> {
  return interruptible(async (signal, progress) => {
    using model = await openModel(flags, signal, progress);
    return await work(model, signal, progress);
  });
}

/** The model that the flags name, loaded. */
export async function openModel(flags: ModelFlags, signal: AbortSignal, progress: Progress): Promise<Model> {
  const { loadModel } = await import("../models/model.js");
  const { model, device, dtype } = flags;
  return loadModel(model, { device, dtype, signal, onProgress: progress.update });
}
