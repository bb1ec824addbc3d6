import { mean } from "simple-statistics";
import type { Requests, Runs, Sides } from "./compare.js";
import type { BenchMethod } from "./methods.js";
import { apartByColumn, decodeFloats, distance } from "./numbers.js";
import type { WorkerAttribution } from "./worker.js";
import { startPeer } from "./workers.js";

export interface Agreement {
  agree: boolean;
  /** Largest difference of ours and Inseq's, as a share of the largest score. */
  apart: number;
  /** By what they are judged; undefined where the scores are not to be the same. */
  tolerance: number | undefined;
  /** Largest differences from the same in float64; measured only where `apart` is over the tolerance. */
  fromExact?: { ours: number; peer: number };
  /** |Σ scores − (f(x) − f(x₀))| over the outputs. */
  deltas?: { ours: Delta | undefined; peer: Delta | undefined };
  /** L2 distance of an output's scores from a path of many steps, relative, mean over the outputs. */
  fromReference?: { steps: number; ours: number; peer: number };
}

interface Delta {
  mean: number;
  max: number;
}

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
    // Inseq's float32 may itself be further than the tolerance from what it computes in float64 (peer/NOTES.md). Then ours
    // counts as right where it is no further from that than Inseq's is.
    const fromExact = await fromFloat64(sides, requests.peer, own, other);
    return { ...found, tolerance, fromExact, agree: fromExact.ours <= Math.max(tolerance, fromExact.peer) };
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

async function fromFloat64(
  { environment, threads }: Sides,
  request: object,
  own: WorkerAttribution,
  other: WorkerAttribution,
): Promise<{ ours: number; peer: number }> {
  const process = startPeer(environment, threads);
  try {
    await process.about;
    const exact = decodeFloats((await process.ask<{ scores: string }>("reference", request)).scores);
    return { ours: distance(decodeFloats(own.scores), exact), peer: distance(decodeFloats(other.scores), exact) };
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
