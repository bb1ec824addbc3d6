/** Our side of the bench, as a worker process: see worker.ts for the protocol, peer/peer.py for the other side. */

import { Buffer } from "node:buffer";
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { createInterface } from "node:readline";
import { resetPeakMemory, resident } from "../src/bench/resident.js";
import {
  type AttributeOptions,
  type Attribution,
  attribute,
  generate,
  loadModel,
  type Model,
  native,
} from "../src/index.js";
import { measureGemm } from "../src/install/gemm.js";
import type { AttributionStats, NativeInfo } from "../src/native.js";
import { MODEL } from "./environment.js";
import type { Size } from "./texts.js";
import type { WorkerAttribution } from "./worker.js";

export interface EngineAbout {
  info: NativeInfo;
  /** Bytes of weights. */
  weights: number;
}

export interface EngineAttribution extends WorkerAttribution {
  /** Of each repeat. */
  stats: AttributionStats[];
  /** Nodes of each output's path. */
  nodes?: number[];
  /** Resident size before the first. */
  baseBytes: number | null;
  /** The longest that the event loop was held, in milliseconds, what the system takes away included. */
  heldMilliseconds: number;
}

interface AttributeRequest {
  ids: number[];
  promptLength: number;
  method: NonNullable<AttributeOptions["method"]>;
  options?: AttributeOptions["options"];
  step: NonNullable<AttributeOptions["step"]>;
  repeat?: number;
  memoryBudget?: number;
}

async function run(model: Model, request: AttributeRequest): Promise<EngineAttribution> {
  const { ids, promptLength, method, options, step, repeat = 1, memoryBudget } = request;
  const targetIds = Int32Array.from(ids);
  const seconds: number[] = [];
  const stats: AttributionStats[] = [];
  let found = { shape: [] as number[], scores: "" };
  const baseBytes = resident("VmRSS");
  resetPeakMemory();
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  for (let i = 0; i < repeat; i++) {
    const start = performance.now();
    // The whole public call, checks and tokens and step scores included.
    const result = await attribute({
      model,
      promptIds: targetIds.subarray(0, promptLength),
      targetIds,
      method,
      options,
      step,
      memoryBudget,
    });
    seconds.push((performance.now() - start) / 1000);
    if (result.stats) stats.push(result.stats);
    if (i === repeat - 1) found = answerOf(result);
    result.dispose();
  }
  delay.disable();
  const heldMilliseconds = delay.max / 1e6;
  return { seconds, stats, ...found, baseBytes, peakBytes: resident("VmHWM"), heldMilliseconds };
}

function answerOf({ shape, scores, convergenceDeltas, pathSteps }: Attribution) {
  return {
    shape: [...shape],
    scores: base64(scores),
    ...(convergenceDeltas && { deltas: base64(convergenceDeltas) }),
    ...(pathSteps && { nodes: [...pathSteps] }),
  };
}

/** A prompt of exactly `promptLength` tokens, cut from the text, and its greedy continuation by `outputs` more. */
async function sequence(model: Model, { text, promptLength, outputs }: Size): Promise<number[]> {
  const promptIds = model.tokenizer.encode(text).subarray(0, promptLength);
  if (promptIds.length < promptLength) throw new Error(`the text has only ${promptIds.length} tokens`);
  const { ids } = await generate({ model, promptIds, maxNewTokens: outputs, stopTokens: [] });
  return [...promptIds, ...ids];
}

const base64 = (values: Float32Array): string =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString("base64");

async function main(): Promise<void> {
  const model = await loadModel(MODEL);
  const answer = (message: object) => process.stdout.write(`${JSON.stringify(message)}\n`);
  const about: EngineAbout = { info: native().info(), weights: model.native.bytes };
  answer({ id: 0, result: about });
  for await (const line of createInterface(process.stdin)) {
    const { id, command, ...args } = JSON.parse(line) as { id: number; command: string };
    try {
      if (command === "sequence") answer({ id, result: await sequence(model, args as unknown as Size) });
      else if (command === "attribute") answer({ id, result: await run(model, args as unknown as AttributeRequest) });
      else if (command === "gemm") {
        answer({ id, result: await measureGemm(native()) });
      } else throw new Error(`no command ${command}`);
    } catch (error) {
      answer({ id, error: String(error) });
    }
  }
  model.dispose();
}

await main();
