import { mean } from "simple-statistics";
import type { Requests, Runs, Sides } from "./compare.js";
import type { BenchMethod } from "./methods.js";
import { apartByColumn, decodeFloats, distance, distanceByColumn, largestSize } from "./numbers.js";
import type { WorkerAttribution } from "./worker.js";
import { startPeer } from "./workers.js";

export interface Agreement {
  agree: boolean;
  /** Largest difference of ours and Inseq's, as a share of the largest score. */
  apart: number;
  /** By what they are judged; undefined where the scores are not to be the same. */
  tolerance: number | undefined;
  /**
   * Largest differences from the same in float64; measured only where `apart` is over the tolerance. `rounding`: how far outputs
   * where ours is further than Inseq's move in float64 when embeddings are rounded to float32, at most.
   */
  fromExact?: { ours: number; peer: number; rounding?: number };
  /** |Σ scores − (f(x) − f(x₀))| over the outputs. */
  deltas?: { ours: Delta | undefined; peer: Delta | undefined };
  /** L2 distance of an output's scores from a path of many steps, relative, mean over the outputs. */
  fromReference?: { steps: number; ours: number; peer: number };
}

interface Delta {
  mean: number;
  max: number;
}

/**
 * A forward pass of 30 layers rounds each position some 400 times, which adds up to about the square root of that, 20, of one time's standard
 * deviation; and float32 may well be twice that off.
 */
const ROUNDINGS = 40;

export async function agreement(
  sides: Sides,
  { check, peer }: BenchMethod,
  requests: Requests,
  { ours, theirs }: Runs,
): Promise<Agreement> {
  const [own] = ours;
  const [other] = theirs;
  if (!own || !other) throw new Error("nothing was measured");
  const apart = distance(decodeFloats(own.scores), decodeFloats(other.scores));
  const deltas = { ours: deltaOf(own), peer: deltaOf(other) };
  const found = { apart, tolerance: undefined, ...(own.deltas !== undefined && { deltas }) };
  if (check.by === "completeness") return { ...found, agree: (deltas.ours?.max ?? Number.NaN) <= check.tolerance };
  if (check.by === "scores") {
    const { tolerance, exact } = check;
    if (apart <= tolerance || !exact) return { ...found, tolerance, agree: apart <= tolerance };
    return { ...found, tolerance, ...(await againstFloat64(sides, requests.peer, own, other, tolerance)) };
  }
  if (!deltas.ours || !deltas.peer) throw new Error(`${peer.method} told no convergence deltas`);
  const { fromReference } = await compareWithReference(sides, requests.ours, own, other);
  const { ours: near, peer: peerNear } = fromReference ?? { ours: 0, peer: 0 };
  const agree = deltas.ours.mean <= deltas.peer.mean && deltas.ours.max <= deltas.peer.max && near <= peerNear;
  return { ...found, agree, ...(fromReference && { fromReference }) };
}

function deltaOf({ deltas }: WorkerAttribution): Delta | undefined {
  if (deltas === undefined) return undefined;
  const sizes = Array.from(decodeFloats(deltas), Math.abs);
  return { mean: mean(sizes), max: Math.max(...sizes) };
}

/**
 * Inseq's float32 may itself be further than the tolerance from what it computes in float64 (peer/NOTES.md). Then each output of ours
 * counts as right where it is no further from that than Inseq's, or than float32 can be expected to be.
 */
async function againstFloat64(
  { environment, threads }: Sides,
  request: object,
  own: WorkerAttribution,
  other: WorkerAttribution,
  tolerance: number,
): Promise<Pick<Agreement, "agree" | "fromExact">> {
  const process = startPeer(environment, threads);
  try {
    await process.about;
    const exact = decodeFloats((await process.ask<{ scores: string }>("reference", request)).scores);
    const from = ({ scores, shape }: WorkerAttribution) => distanceByColumn(decodeFloats(scores), exact, shape[1] ?? 0);
    const [ours, peer] = [from(own), from(other)];
    const fromExact = { ours: Math.max(...ours), peer: Math.max(...peer) };
    const further = [...ours.keys()].filter(
      (output) => !((ours[output] ?? Number.NaN) <= Math.max(tolerance, peer[output] ?? 0)),
    );
    if (further.length === 0) return { agree: true, fromExact };
    console.error("how much rounding moves the scores, in float64");
    const largest = largestSize(exact);
    const { moved } = await process.ask<{ moved: number[] }>("sensitivity", { ...request, outputs: further });
    const shares = moved.map((distance) => distance / largest);
    const agree = further.every((output, i) => (ours[output] ?? Number.NaN) <= ROUNDINGS * (shares[i] ?? 0));
    return { agree, fromExact: { ...fromExact, rounding: Math.max(...shares) } };
  } finally {
    await process.close();
  }
}

/** A sum can be right by luck: how near are the scores themselves? */
async function compareWithReference(
  { engine, referenceSteps: steps }: Sides,
  request: object,
  own: WorkerAttribution,
  other: WorkerAttribution,
): Promise<Pick<Agreement, "fromReference">> {
  if (steps === undefined) return {};
  console.error(`integrated gradients at ${steps} steps`);
  const fine = await engine.ask<WorkerAttribution>("attribute", { ...request, options: { steps } });
  const error = ({ scores, shape }: WorkerAttribution) =>
    mean(apartByColumn(decodeFloats(scores), decodeFloats(fine.scores), shape[1] ?? 0));
  return { fromReference: { steps, ours: error(own), peer: error(other) } };
}
