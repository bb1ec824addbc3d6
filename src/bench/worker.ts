import { basename, join } from "node:path";
import { performance } from "node:perf_hooks";
import { TokenlenseError } from "../errors.js";
import { agreementWith } from "../faithfulness/randomisation.js";
import { native } from "../install/binding.js";
import { measureGemm } from "../install/gemm.js";
import { loadModel, type Model } from "../models/model.js";
import { randomiseModel } from "../models/randomise.js";
import type { Attribution } from "../result.js";
import { load as loadResult, save } from "../storage/results.js";
import { assessFaithfulness } from "./faithfulness.js";
import { GpuWatch } from "./gpu.js";
import { type Assessment, type MeasureContext, measure } from "./measure.js";
import { MemoryWatch } from "./memory.js";
import { type Answered, type Answers, type Asked, type Requests, tooSlow } from "./protocol.js";
import type { Likeness, LoadedModel, Stage } from "./schema.js";

// A process for one model: what it does to itself, no other model suffers from.

type Loaded = Omit<MeasureContext, "signal" | "assess">;

/** In the run's folder. */
const ATTRIBUTIONS = "attributions";

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
      if (late && (asked.ask === "cell" || asked.ask === "check"))
        send({ status: "timeout", error: tooSlow(asked.what.timeLimit) });
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
  return asked.ask === "cell" ? cell(asked.what) : check(asked.what);
}

async function load(what: Requests["load"]): Promise<LoadedModel> {
  const { model: source, device, dtype, memoryLimit, gemmLimit, randomised } = what;
  const memory = new MemoryWatch(memoryLimit, (bytes) => send({ status: "memory", bytes }, () => process.exit()));
  const start = performance.now();
  const own = await loadModel(source, { device, dtype });
  const model = randomised ? await inRandomOrder(own, randomised) : own;
  const { name, contract, native: handle } = model;
  loaded = { model, memory, gpu: new GpuWatch(handle.device), gemmLimit };
  return {
    model: source,
    name,
    sha256: contract.source.sha256,
    dtype: contract.dtype,
    device: handle.device,
    loadSeconds: (performance.now() - start) / 1000,
    layered: contract.contract === "layered",
  };
}

/** The copy, in place of the model. */
async function inRandomOrder(own: Model, stage: Stage): Promise<Model> {
  using model = own;
  const layers = { head: 0, half: Math.floor(model.contract.layers / 2), all: undefined };
  return await randomiseModel(model, { layers: layers[stage] });
}

function ready(): Loaded {
  if (!loaded) throw new Error("no model is loaded");
  return loaded;
}

async function cell({ task, warmup, timeLimit, assess }: Requests["cell"]): Promise<Answers["cell"]> {
  const context = ready();
  const once = (more?: Pick<MeasureContext, "assess">) =>
    measure(task, { ...context, ...more, signal: AbortSignal.timeout(timeLimit * 1000) });
  const kind = JSON.stringify([task.method, task.options]);
  for (let i = 0; i < warmup && !warm.has(kind); i++) await once();
  warm.add(kind);
  if (!assess) return once();
  return once({
    assess: async (result, options): Promise<Assessment> => ({
      faithfulness: await assessFaithfulness(result, options),
      result: await stored(result, assess.folder),
    }),
  });
}

/** @returns its path in the run's folder, which may be moved. */
async function stored(result: Attribution, folder: string): Promise<string> {
  return `${ATTRIBUTIONS}/${basename(await save(result, join(folder, ATTRIBUTIONS)))}`;
}

async function check({ file, method, options, timeLimit }: Requests["check"]): Promise<Likeness> {
  const { model } = ready();
  using own = await loadResult(file);
  const signal = AbortSignal.timeout(timeLimit * 1000);
  const { spearman, topOverlap } = await agreementWith(own, { model, method, options: options as never, signal });
  return { spearman, topOverlap };
}
