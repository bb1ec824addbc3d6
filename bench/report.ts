import type { GemmMeasurement } from "../src/install/gemm.js";
import type { NativeInfo } from "../src/native.js";
import type { ColdStart } from "./cold-start.js";
import type { Comparison } from "./compare.js";
import type { MemoryUse } from "./memory.js";
import type { Spread } from "./numbers.js";
import type { PeerAbout } from "./workers.js";

export interface Report {
  machine: { cpu: string; cores: number; memoryBytes: number };
  engine: NativeInfo;
  peer: PeerAbout;
  /** GFLOP/s of the fastest float32 product measured, and all that were measured. */
  gemm: { limit: number; shape: string; path: string; all: GemmMeasurement[] };
  comparisons: Comparison[];
  coldStart: ColdStart;
}

export function reportText(report: Report): string {
  const { machine, engine, peer, gemm, comparisons, coldStart } = report;
  const own = comparisons.map((comparison) => {
    const { size, method, ours, peer, ratio, asked, agreement } = comparison;
    return [
      size,
      method,
      time(ours.seconds),
      time(peer.seconds),
      `${ratio.toFixed(1)}×`,
      asked === undefined ? "" : `${asked}× ${ratio >= asked ? "met" : "MISSED"}`,
      ours.gigaflops.toFixed(0),
      `${((100 * ours.gigaflops) / gemm.limit).toFixed(0)} %`,
      bytes(ours.peakBytes),
      bytes(peer.peakBytes),
      agreement.tolerance === undefined ? "–" : agreement.apart.toExponential(1),
      remarks(comparison),
    ];
  });
  const head = [
    "tokens",
    "method",
    "ours, s",
    "Inseq, s",
    "ratio",
    "asked",
    "GFLOP/s",
    "of limit",
    "our peak",
    "Inseq's",
    "apart",
    "remarks",
  ];
  return [
    `${machine.cpu}, ${machine.cores} cores, ${engine.threads} threads each, ${engine.cpuCapability}`,
    `libtorch ${engine.libtorch}; Inseq ${peer.versions.inseq}, torch ${peer.versions.torch}, transformers ${peer.versions.transformers}, ${peer.attention} attention`,
    `float32 GEMM limit ${gemm.limit.toFixed(0)} GFLOP/s (${gemm.shape}, ${gemm.path})`,
    "",
    table([head, ...own]),
    "",
    "seconds: median (least – most). Ours is the whole attribute() call; Inseq's is its own loop, without progress bar, text and aggregation.",
    "GFLOP/s: 2·m·k·n for every matrix product of our run, in attention only what the causal mask keeps, over its native seconds.",
    "peak: largest resident size of the process during the runs, weights and libraries included.",
    "apart: largest difference between the two, as a share of the largest score. Where it is over what one backward pass may have, the remark has the",
    "distance of ours / Inseq's from the same function in float64 (bench/peer/NOTES.md says why Inseq's can be far).",
    "|delta|: by how much an output's scores miss the change of the function from the baseline; mean, largest of the outputs.",
    `event loop: held for ${Math.max(...comparisons.map(({ ours }) => ours.heldMilliseconds)).toFixed(0)} ms at most while we attributed.`,
    "",
    `Cold start, "${coldStart.prompt}" + ${coldStart.outputs} tokens generated and attributed, caches warm: ` +
      `tokenlense ${time(coldStart.ours)} s, inseq ${time(coldStart.peer)} s, ratio ${(coldStart.peer.median / coldStart.ours.median).toFixed(1)}×`,
  ].join("\n");
}

function remarks({ ours, agreement, note }: Comparison): string {
  const { tolerance, fromExact, deltas, fromReference } = agreement;
  const small = (value: number) => value.toExponential(1);
  const delta = (of: { mean: number; max: number }) => `${small(of.mean)}, ${small(of.max)}`;
  const parts = [note];
  if (fromExact) parts.push(`from float64 ${small(fromExact.ours)} / ${small(fromExact.peer)}`);
  if (fromExact?.rounding) parts.push(`rounding the embeddings alone moves that by ${small(fromExact.rounding)}`);
  if (tolerance === undefined && ours.nodes) parts.push(`${ours.nodes.min} – ${ours.nodes.max} nodes`);
  if (deltas?.ours && deltas.peer) parts.push(`|delta| ${delta(deltas.ours)} / ${delta(deltas.peer)}`);
  else if (deltas?.ours && tolerance === undefined) parts.push(`our |delta| ${delta(deltas.ours)}`);
  if (fromReference)
    parts.push(`from ${fromReference.steps} steps ${small(fromReference.ours)} / ${small(fromReference.peer)}`);
  return parts.filter((part) => part !== undefined).join("; ");
}

export function memoryText(uses: MemoryUse[]): string {
  const rows = uses.map((use) => [
    use.size,
    bytes(use.budget),
    bytes(use.plannedBytes),
    bytes(use.usedBytes),
    bytes(use.peakBytes),
    String(use.block),
    use.seconds.toFixed(2),
    use.inside ? "yes" : "NO",
  ]);
  return [
    table([["tokens", "budget", "planned", "used", "peak", "block", "seconds", "inside"], ...rows]),
    "",
    "used: how much the resident size grew at most. peak: with weights, libraries and Node.",
  ].join("\n");
}

export function bytes(count: number | null): string {
  if (count === null) return "?";
  return count >= 2 ** 30 ? `${(count / 2 ** 30).toFixed(2)} GiB` : `${(count / 2 ** 20).toFixed(0)} MiB`;
}

export function time({ median, min, max }: Spread): string {
  return `${median.toFixed(2)} (${min.toFixed(2)} – ${max.toFixed(2)})`;
}

export function table(rows: string[][]): string {
  const words = (column: number) => column < 2 || rows[0]?.[column] === "remarks";
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => (words(i) ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
