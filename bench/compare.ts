import type { EngineAbout, EngineAttribution } from "./engine.js";
import type { PeerEnvironment } from "./environment.js";
import { decodeFloats, distance, type Spread, spread } from "./numbers.js";
import type { Size } from "./texts.js";
import type { Worker, WorkerAttribution } from "./worker.js";
import { type PeerAbout, startPeer } from "./workers.js";

/** Share of the largest score of a prompt. */
export const TOLERANCE = 1e-5;

export type BenchMethod = "saliency" | "input_x_gradient" | "tokenlense";
export const METHODS = {
  saliency: { peer: "saliency", step: "probability" },
  input_x_gradient: { peer: "input_x_gradient", step: "probability" },
  // TokenLense's own method is Inseq's saliency of the cross-entropy.
  tokenlense: { peer: "saliency", step: "crossentropy" },
} as const satisfies Record<BenchMethod, { peer: string; step: string }>;

/** Largest differences as shares of the largest score. */
export interface Agreement {
  /** Ours and Inseq's. */
  apart: number;
  /** Either from the same in float64; measured only where `apart` is over the tolerance. */
  fromExact?: { ours: number; peer: number };
  agree: boolean;
}

export interface Comparison {
  size: string;
  method: BenchMethod;
  step: string;
  ours: {
    seconds: Spread;
    peakBytes: number | null;
    gigaflops: number;
    flops: number;
    engine: string;
    block: number;
    heldMilliseconds: number;
  };
  peer: { seconds: Spread; peakBytes: number | null };
  /** Peer's median over ours. */
  ratio: number;
  agreement: Agreement;
}

interface Sides {
  engine: Worker<EngineAbout>;
  peer: Worker<PeerAbout>;
  environment: PeerEnvironment;
  threads: number;
}

/** Each method in turns, ours and the peer's, never both at once; then whether they agree. */
export async function compareSize(
  sides: Sides,
  size: Size,
  methods: BenchMethod[],
  repeats: { ours: number; peer: number },
): Promise<Comparison[]> {
  const { engine, peer } = sides;
  const ids = await engine.ask<number[]>("sequence", size);
  const { promptLength } = size;
  const results: Comparison[] = [];
  for (const method of methods) {
    const { step, peer: peerMethod } = METHODS[method];
    const whole = { ids, promptLength, step };
    const start = { ...whole, ids: ids.slice(0, promptLength + 8) };
    // Both have run these shapes before the clock starts.
    await engine.ask("attribute", { ...whole, method });
    await peer.ask("attribute", { ...start, method: peerMethod });

    const ours: EngineAttribution[] = [];
    const theirs: WorkerAttribution[] = [];
    for (let i = 0; i < Math.max(repeats.ours, repeats.peer); i++) {
      if (i < repeats.ours) ours.push(await engine.ask("attribute", { ...whole, method }));
      if (i < repeats.peer) theirs.push(await peer.ask("attribute", { ...whole, method: peerMethod }));
    }
    const [own, other] = [ours[0], theirs[0]];
    const stats = own?.stats[0];
    if (!own || !other || !stats) throw new Error("nothing was measured");

    const seconds = {
      ours: spread(ours.flatMap((run) => run.seconds)),
      peer: spread(theirs.flatMap((run) => run.seconds)),
    };
    const nativeSeconds = spread(ours.flatMap((run) => run.stats.map((run) => run.seconds))).median;
    const apart = distance(decodeFloats(own.scores), decodeFloats(other.scores));
    results.push({
      size: size.name,
      method,
      step,
      ours: {
        seconds: seconds.ours,
        peakBytes: largest(ours),
        gigaflops: stats.flops / nativeSeconds / 1e9,
        flops: stats.flops,
        engine: stats.engine,
        block: stats.block,
        heldMilliseconds: Math.max(...ours.map((run) => run.heldMilliseconds)),
      },
      peer: { seconds: seconds.peer, peakBytes: largest(theirs) },
      ratio: seconds.peer.median / seconds.ours.median,
      agreement:
        apart <= TOLERANCE
          ? { apart, agree: true }
          : await arbitrate(sides, { ...whole, method: peerMethod }, own, other, apart),
    });
  }
  return results;
}

function largest(runs: WorkerAttribution[]): number | null {
  const peaks = runs.map((run) => run.peakBytes).filter((bytes) => bytes !== null);
  return peaks.length > 0 ? Math.max(...peaks) : null;
}

/**
 * Inseq's float32 may itself be further than the tolerance from what it computes in float64 (peer/NOTES.md). Then ours
 * counts as right where the two differ by no more than the tolerance and Inseq's own error together.
 */
async function arbitrate(
  { environment, threads }: Sides,
  request: object,
  own: WorkerAttribution,
  other: WorkerAttribution,
  apart: number,
): Promise<Agreement> {
  const process = startPeer(environment, threads);
  try {
    await process.about;
    const exact = decodeFloats((await process.ask<{ scores: string }>("reference", request)).scores);
    const fromExact = {
      ours: distance(decodeFloats(own.scores), exact),
      peer: distance(decodeFloats(other.scores), exact),
    };
    return { apart, fromExact, agree: apart <= TOLERANCE + fromExact.peer };
  } finally {
    await process.close();
  }
}
