import { rename, writeFile } from "node:fs/promises";
import os from "node:os";
import { Command, InvalidArgumentError, Option } from "commander";
import { type GemmMeasurement, gemmLimit } from "../src/install/gemm.js";
import { coldStart } from "./cold-start.js";
import { type Comparison, compareSize } from "./compare.js";
import { dtypesText, dtypeUses } from "./dtypes.js";
import { preparePeer } from "./environment.js";
import { largeModel, largeText } from "./large-model.js";
import { memoryUse } from "./memory.js";
import { METHODS } from "./methods.js";
import { memoryText, type Report, reportText } from "./report.js";
import { DEFAULT_SIZE, LARGE_SIZE } from "./texts.js";
import { startEngine, startPeer } from "./workers.js";

interface Options {
  methods: string[];
  repeats: number;
  large?: true;
  reference?: number;
  threads?: number;
  budget?: number[];
  largeModel?: true;
  dtypes?: true;
  json?: string;
  setup?: true;
}

const LARGE = Object.keys(METHODS).filter((name) => METHODS[name]?.large);

function count(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new InvalidArgumentError("expected a positive whole number");
}

function methods(text: string): string[] {
  const names = text.split(",");
  const unknown = names.find((name) => !Object.hasOwn(METHODS, name));
  if (unknown === undefined) return names;
  throw new InvalidArgumentError(`no method ${unknown}; there are ${Object.keys(METHODS).join(", ")}`);
}

function budgets(text: string): number[] {
  return text.split(",").map((part) => {
    const [, number, unit] = part.match(/^(\d+(?:\.\d+)?)(MiB|GiB)$/) ?? [];
    if (unit === undefined) throw new InvalidArgumentError("expected sizes such as 512MiB or 2GiB");
    return Number(number) * 2 ** (unit === "GiB" ? 30 : 20);
  });
}

const options = new Command("npm run bench --")
  .description("Times this package against Inseq on the same weights and tokens, and checks that both say the same.")
  .addHelpText("after", `\nMethods: ${Object.keys(METHODS).join(", ")}.\nAll of them together take about 12 minutes.`)
  .addOption(
    new Option("--methods <names>", "separated by commas").argParser(methods).default(Object.keys(METHODS), "all"),
  )
  .option(
    "--repeats <n>",
    "timed runs of each; where Inseq takes a minute, one of its and at most three of ours",
    count,
    5,
  )
  .option(
    "--large",
    `256 + 128 tokens as well, for ${LARGE.join(", ")}; Inseq takes some minutes for one run and gets one`,
  )
  .addOption(
    new Option("--reference [steps]", "compare integrated gradients with a path of 400 or so many steps; takes minutes")
      .argParser(count)
      .preset("400"),
  )
  .option("--threads <n>", "threads of arithmetic of both (default: as libtorch chooses)", count)
  .option("--budget <sizes>", "instead: peak memory of 256 + 128 tokens under each budget (2GiB,8GiB)", budgets)
  .option(
    "--large-model",
    "instead: memory that a random model of 1.5 billion parameters takes to build, load and attribute",
  )
  .option("--dtypes", "instead: 256 + 128 tokens with weights in float32, bfloat16 and float16")
  .option("--json <file>", "write everything measured there as well")
  .option("--setup", "only make the peer's environment; prints where it and the model file are")
  .parse()
  .opts<Options>();

async function compare(): Promise<Report> {
  const environment = await preparePeer();
  const engine = startEngine(options.threads);
  const { info } = await engine.about;
  const peer = startPeer(environment, info.threads);
  try {
    const about = await peer.about;
    const all = await engine.ask<GemmMeasurement[]>("gemm");
    const gemm = { ...gemmLimit(all), all };
    const { repeats, methods, reference: referenceSteps } = options;
    const sides = { engine, peer, environment, threads: info.threads, referenceSteps };
    const comparisons = await compareSize(sides, DEFAULT_SIZE, methods, { ours: repeats, peer: repeats });
    if (options.large) {
      const large = methods.filter((name) => LARGE.includes(name));
      comparisons.push(...(await compareSize(sides, LARGE_SIZE, large, { ours: Math.min(3, repeats), peer: 1 })));
    }
    await Promise.all([engine.close(), peer.close()]);
    const cpu = os.cpus()[0]?.model.trim() ?? "unknown";
    return {
      machine: { cpu, cores: os.availableParallelism(), memoryBytes: os.totalmem() },
      engine: info,
      peer: about,
      gemm,
      comparisons,
      coldStart: await coldStart(environment, repeats),
    };
  } finally {
    await Promise.all([engine.close(), peer.close()]);
  }
}

function disagreement({ size, method, agreement }: Comparison): string {
  const { apart, tolerance, fromExact, deltas } = agreement;
  const number = (value: number | undefined) => value?.toExponential(1) ?? "?";
  const { ours, peer } = deltas ?? {};
  const found =
    tolerance === undefined
      ? `our scores miss their sums by ${number(ours?.mean)}, at most ${number(ours?.max)}; Inseq's by ${number(peer?.mean)}, at most ${number(peer?.max)}`
      : `the scores differ by ${number(apart)} of the largest, not ${number(tolerance)}`;
  const exact =
    `; from float64 ours are ${number(fromExact?.ours)} away, Inseq's ${number(fromExact?.peer)}, ` +
    `and rounding the embeddings alone moves them by ${number(fromExact?.rounding)}`;
  return `${size} ${method}: ${found}${fromExact ? exact : ""}`;
}

async function write(data: object): Promise<void> {
  if (options.json === undefined) return;
  await writeFile(`${options.json}.tmp`, `${JSON.stringify(data, null, 2)}\n`);
  await rename(`${options.json}.tmp`, options.json);
}

if (options.setup) {
  const { python, gguf } = await preparePeer();
  console.log(`${python}\n${gguf}`);
} else if (options.largeModel) {
  const steps = await largeModel();
  await write(steps);
  console.log(largeText(steps));
} else if (options.dtypes) {
  const uses = await dtypeUses(options.repeats);
  await write(uses);
  console.log(dtypesText(uses));
} else if (options.budget) {
  const uses = [];
  for (const budget of options.budget) uses.push(await memoryUse(budget, options.threads));
  await write(uses);
  console.log(memoryText(uses));
  if (!uses.every(({ inside }) => inside)) process.exitCode = 1;
} else {
  const report = await compare();
  await write(report);
  console.log(reportText(report));
  // Timings of programs that do not say the same mean nothing.
  const faults = report.comparisons.filter(({ agreement }) => !agreement.agree).map(disagreement);
  if (faults.length > 0) {
    console.error(`\n${faults.join("\n")}`);
    process.exitCode = 1;
  }
}
