import { performance } from "node:perf_hooks";
import { TokenlenseError } from "../errors.js";
import { native } from "../install/binding.js";
import { measureGemm } from "../install/gemm.js";
import { loadModel, type Model } from "../models/model.js";
import { assessFaithfulness } from "./faithfulness.js";
import { GpuWatch } from "./gpu.js";
import { type MeasureContext, measure } from "./measure.js";
import { MemoryWatch } from "./memory.js";
import { type Answered, type Answers, type Asked, type Requests, tooSlow } from "./protocol.js";

// A process for one model: what it does to itself, no other model suffers from.

type Loaded = Omit<MeasureContext, "signal" | "assess">;

let loaded: Loaded | undefined;
const warm = new Set<string>();

process.on("SIGINT", () => {}); // the runner's to answer: a terminal sends it to both
process.on("disconnect", () => process.exit());
process.on("message", (asked: Asked) => {
  answer(asked).then(
    (value) => send({ status: "ok", value }),
    (thrown: unknown) => {
      const { code, message, hint, cause } = TokenlenseError.from(thrown);
      const late = code === "ERR_TOKENLENSE_CANCELLED" && (cause as Error | undefined)?.name === "TimeoutError";
      if (late && asked.ask === "cell") send({ status: "timeout", error: tooSlow(asked.what.timeLimit) });
      else send({ status: "error", error: { code, message, hint } });
    },
  );
});

function send(answered: Answered, then?: () => void): void {
  if (process.connected) process.send?.(answered, undefined, undefined, then && (() => then()));
}

async function answer(asked: Asked): Promise<Answers[keyof Answers]> {
  if (asked.ask === "engine") return { info: native().info(), gemm: await measureGemm(native()) };
  if (asked.ask === "load") return load(asked.what);
  return cell(asked.what);
}

async function load({ model: source, device, dtype, memoryLimit, gemmLimit }: Requests["load"]) {
  const memory = new MemoryWatch(memoryLimit, (bytes) => send({ status: "memory", bytes }, () => process.exit()));
  const start = performance.now();
  const model: Model = await loadModel(source, { device, dtype });
  const { name, contract, native: handle } = model;
  loaded = { model, memory, gpu: new GpuWatch(handle.device), gemmLimit };
  return {
    model: source,
    name,
    sha256: contract.source.sha256,
    dtype: contract.dtype,
    device: handle.device,
    loadSeconds: (performance.now() - start) / 1000,
  };
}

async function cell({ task, warmup, timeLimit, assess }: Requests["cell"]) {
  if (!loaded) throw new Error("no model is loaded");
  const context = loaded;
  const once = (more?: Pick<MeasureContext, "assess">) =>
    measure(task, { ...context, ...more, signal: AbortSignal.timeout(timeLimit * 1000) });
  const kind = JSON.stringify([task.method, task.options]);
  for (let i = 0; i < warmup && !warm.has(kind); i++) await once();
  warm.add(kind);
  return once(assess ? { assess: assessFaithfulness } : {});
}
