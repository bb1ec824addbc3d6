/**
 * SentencePiece's BPE merges the pair whose result scores best. As ranks, those are ordinary BPE merges: of every piece, each
 * cut into two pieces, the best score first; of one score the longer left part, then the longer right part first, as
 * transformers derives them.
 * @param pieces that take part, by id, in the order of ids.
 */
export function mergesFromScores(pieces: ReadonlyMap<string, number>, scores: readonly number[]): string[] {
  const score = (id: number) => scores[id] as number;
  const best = [...pieces].sort(([, a], [, b]) => score(b) - score(a));
  const merges: string[] = [];
  for (let first = 0; first < best.length; ) {
    let end = first + 1;
    while (end < best.length && score(best[end]?.[1] as number) === score(best[first]?.[1] as number)) end++;
    const cuts = best.slice(first, end).flatMap(([piece]) => cutsOf(piece, pieces));
    // A piece's own cuts come in the right order; only pieces of one score, which trained models have not, may mix.
    if (end - first > 1) cuts.sort((a, b) => b.left - a.left || b.right - a.right);
    for (const { merge } of cuts) merges.push(merge);
    first = end;
  }
  return merges;
}

interface Cut {
  merge: string;
  /** Characters of either part. */
  left: number;
  right: number;
}

/** Every way to cut a piece into two pieces, the longest left part first. */
function cutsOf(piece: string, pieces: ReadonlyMap<string, number>): Cut[] {
  const cuts: Cut[] = [];
  const length = [...piece].length;
  let right = 0;
  for (let at = piece.length - 1; at > 0; at--) {
    if (isLowSurrogate(piece.charCodeAt(at))) continue;
    right++;
    const head = piece.slice(0, at);
    if (!pieces.has(head)) continue;
    const tail = piece.slice(at);
    if (pieces.has(tail)) cuts.push({ merge: `${head} ${tail}`, left: length - right, right });
  }
  return cuts;
}

const isLowSurrogate = (unit: number): boolean => unit >= 0xdc00 && unit < 0xe000;
