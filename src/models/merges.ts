/**
 * SentencePiece's BPE merges the pair whose result scores best. As ranks, those are ordinary BPE merges: of every piece, each
 * cut into two pieces, the best score first; of one score the longer left part, then the longer right part first, as
 * transformers derives them.
 * @param pieces that take part, by id; a Map, as an object would spend most of the time on Gemma's 262,144.
 */
export function mergesFromScores(pieces: ReadonlyMap<string, number>, scores: readonly number[]): string[] {
  const lefts: string[] = [];
  const rights: string[] = [];
  const ids: number[] = [];
  for (const [piece, id] of pieces) {
    for (let cut = 1; cut < piece.length; cut++) {
      if (splitsCharacter(piece, cut)) continue;
      const left = piece.slice(0, cut);
      if (!pieces.has(left)) continue;
      const right = piece.slice(cut);
      if (!pieces.has(right)) continue;
      lefts.push(left);
      rights.push(right);
      ids.push(id);
    }
  }
  const score = (at: number) => scores[ids[at] as number] as number;
  const length = (texts: string[], at: number) => [...(texts[at] as string)].length;
  return Array.from(ids.keys())
    .sort(
      (a, b) =>
        score(b) - score(a) ||
        length(lefts, b) - length(lefts, a) ||
        length(rights, b) - length(rights, a) ||
        (ids[a] as number) - (ids[b] as number),
    )
    .map((at) => `${lefts[at]} ${rights[at]}`);
}

function splitsCharacter(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  return unit >= 0xdc00 && unit < 0xe000;
}
