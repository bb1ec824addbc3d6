import { type Agreement, agreement } from "./agreement.js";
import type { EngineAbout, EngineAttribution } from "./engine.js";
import type { PeerEnvironment } from "./environment.js";
import { type BenchMethod, METHODS } from "./methods.js";
import { type Spread, spread } from "./numbers.js";
import type { Size } from "./texts.js";
import type { Worker, WorkerAttribution } from "./worker.js";
import type { PeerAbout } from "./workers.js";

export interface Comparison {
  size: string;
  method: string;
  step: string;
  ours: {
    seconds: Spread;
    peakBytes: number | null;
    gigaflops: number;
    flops: number;
    engine: string;
    block: number;
    heldMilliseconds: number;
    /** Nodes of a path, over the outputs. */
    nodes: Spread | undefined;
  };
  peer: { seconds: Spread; peakBytes: number | null };
  /** Peer's median over ours. */
  ratio: number;
  asked: number | undefined;
  agreement: Agreement;
  note: string | undefined;
}

export interface Sides {
  engine: Worker<EngineAbout>;
  peer: Worker<PeerAbout>;
  environment: PeerEnvironment;
  threads: number;
  /** Steps of the path that both kinds of integrated gradients are compared with. */
  referenceSteps?: number | undefined;
}

/** Each method in turns, ours and the peer's, never both at once; then whether they agree. */
export async function compareSize(
  sides: Sides,
  size: Size,
  names: string[],
  repeats: { ours: number; peer: number },
): Promise<Comparison[]> {
  const ids = await sides.engine.ask<number[]>("sequence", size);
  const done = new Map<string, WorkerAttribution[]>(); // Inseq's runs, by request
  const results: Comparison[] = [];
  for (const name of names) {
    const method = METHODS[name] as BenchMethod;
    const request = requests(method, ids, size.promptLength);
    const key = JSON.stringify(request.peer);
    const known = done.get(key);
    const runs = await inTurns(sides, `${size.name}, ${name}`, request, known, {
      ours: method.peerRepeats ? Math.min(3, repeats.ours) : repeats.ours,
      peer: method.peerRepeats ?? repeats.peer,
    });
    done.set(key, runs.theirs);
    results.push({
      size: size.name,
      method: name,
      ...summary(method, runs),
      agreement: await agreement(sides, method, request, runs),
      note: method.note,
    });
  }
  return results;
}

export interface Requests {
  ours: object;
  peer: object;
}

function requests({ method, options, step, peer, draws }: BenchMethod, ids: number[], promptLength: number): Requests {
  const text = { ids, promptLength, step };
  return { ours: { ...text, method, options }, peer: { ...text, ...peer, ...draws?.(ids.length - 1) } };
}

export interface Runs {
  ours: EngineAttribution[];
  theirs: WorkerAttribution[];
}

async function inTurns(
  { engine, peer }: Sides,
  name: string,
  request: Requests,
  known: WorkerAttribution[] | undefined,
  repeats: { ours: number; peer: number },
): Promise<Runs> {
  const ours: EngineAttribution[] = [];
  const theirs: WorkerAttribution[] = [...(known ?? [])];
  const say = (what: string) => console.error(`${name}: ${what}`);
  // Both have run these shapes before the clock starts; Inseq only some outputs, as each is a run of its own.
  say("warming up");
  await engine.ask("attribute", request.ours);
  if (!known) await peer.ask("attribute", beginning(request.peer, repeats.peer > 1 ? 8 : 1));
  for (let i = 0; i < Math.max(repeats.ours, known ? 0 : repeats.peer); i++) {
    if (i < repeats.ours) {
      say(`ours, ${i + 1} of ${repeats.ours}`);
      ours.push(await engine.ask("attribute", request.ours));
    }
    if (!known && i < repeats.peer) {
      say(`Inseq, ${i + 1} of ${repeats.peer}`);
      theirs.push(await peer.ask("attribute", request.peer));
    }
  }
  return { ours, theirs };
}

function beginning(request: object, outputs: number): object {
  const { ids, promptLength } = request as { ids: number[]; promptLength: number };
  return { ...request, ids: ids.slice(0, promptLength + outputs) };
}

function summary({ step, asked }: BenchMethod, { ours, theirs }: Runs) {
  const [own] = ours;
  const stats = own?.stats[0];
  if (!own || !stats || theirs.length === 0) throw new Error("nothing was measured");
  const seconds = {
    ours: spread(ours.flatMap((run) => run.seconds)),
    peer: spread(theirs.flatMap((run) => run.seconds)),
  };
  const nativeSeconds = spread(ours.flatMap((run) => run.stats.map((run) => run.seconds))).median;
  return {
    step,
    ours: {
      seconds: seconds.ours,
      peakBytes: largest(ours),
      gigaflops: stats.flops / nativeSeconds / 1e9,
      flops: stats.flops,
      engine: stats.engine,
      block: stats.block,
      heldMilliseconds: Math.max(...ours.map((run) => run.heldMilliseconds)),
      nodes: own.nodes && spread(own.nodes),
    },
    peer: { seconds: seconds.peer, peakBytes: largest(theirs) },
    ratio: seconds.peer.median / seconds.ours.median,
    asked,
  };
}

function largest(runs: WorkerAttribution[]): number | null {
  const peaks = runs.map((run) => run.peakBytes).filter((bytes) => bytes !== null);
  return peaks.length > 0 ? Math.max(...peaks) : null;
}
