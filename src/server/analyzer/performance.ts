import { cpus, hostname, platform, release, totalmem, version } from "node:os";
import { group } from "d3-array";
import { max, mean, min, sum } from "simple-statistics";
import type { z } from "zod";
import { native } from "../../install/binding.js";
import type { App, Context } from "../app.js";
import { errorSchema } from "../errors.js";
import type { Entry } from "../results/describe.js";
import { storedSystem, storedTiming } from "./benchmark.js";
import { systemInfo, timingResults } from "./schemas.js";

/**
 * What the Analyzer's performance page is drawn from: what a benchmark of TokenLense's left in the folder, else this machine,
 * and the times of the results themselves.
 */
export function performanceRoutes(app: App, { catalogue }: Context): void {
  const tags = ["performance"];
  const { folder } = catalogue;

  app.get(
    "/performance/system",
    { schema: { tags, summary: "The machine", response: { 200: systemInfo, default: errorSchema } } },
    async () => (await storedSystem(folder)) ?? thisMachine(),
  );

  app.get(
    "/performance/timing",
    {
      schema: {
        tags,
        summary: "Times by model and method, and of each prompt",
        response: { 200: timingResults, default: errorSchema },
      },
    },
    async () => (await storedTiming(folder)) ?? timesOf((await catalogue.list()).entries),
  );
}

function thisMachine(): z.output<typeof systemInfo> {
  const { libtorch, devices } = native().info();
  const [first, ...others] = cpus();
  const cores = others.length + 1;
  const memory = totalmem() / 2 ** 30;
  const has = (kind: string) => devices.some((device) => device.startsWith(kind));
  const [cuda, mps] = [has("cuda"), has("mps")];
  return {
    ...{ hostname: hostname(), platform: platform(), platform_version: version(), platform_release: release() },
    ...{ processor: process.arch, cpu_model: first?.model ?? null, cpu_cores: cores, cpu_count: cores },
    ...{ memory_total_gb: memory, memory_gb: memory },
    gpu_info: devices.filter((device) => device !== "cpu").join(", ") || null,
    ...{ cuda_version: null, torch_version: libtorch, python_version: null },
    ...{ torch_cuda_available: cuda, torch_mps_available: mps, cuda_available: cuda, mps_available: mps },
  };
}

/** Of the results that say how long they took; where they were made they do not say. */
function timesOf(entries: readonly Entry[]): z.output<typeof timingResults> {
  const timed = entries.flatMap(({ seconds, ...entry }) => (seconds === undefined ? [] : [{ ...entry, seconds }]));
  const groups = group(timed, ({ modelName, method }) => JSON.stringify([modelName, method]));
  return {
    method_timing: [...groups.values()].map((members) => {
      const [{ modelName: model, method }] = members as [(typeof timed)[number]];
      const times = members.map(({ seconds }) => seconds);
      const total = sum(times);
      return {
        ...{ model, method, attribution_method: method },
        ...{ success_rate: 1, successful_prompts: members.length, total_prompts: members.length },
        ...{ average_time: mean(times), average_prompt_time: mean(times) },
        ...{ min_time: min(times), max_time: max(times), total_time: total },
        tokens_per_second: rate(sum(members.map(({ outputs }) => outputs)), total),
        ...{ cpu_model: null, gpu_info: null, cuda_available: null },
      };
    }),
    prompt_timing: timed.map(({ modelName: model, method, prompt, outputs, seconds }) => ({
      ...{ model, method, attribution_method: method, prompt, tokens: outputs },
      ...{ time: seconds, tokens_per_second: rate(outputs, seconds), success: true },
    })),
  };
}

const rate = (tokens: number, seconds: number): number | null => (seconds > 0 ? tokens / seconds : null);
