import { join } from "node:path";
import { uniform } from "../../src/methods/draw.js";
import { writeGguf } from "../models/gguf-writer.js";
import { tinyLlama } from "../models/tiny.js";
import { tinyOptions } from "../tiny-model.js";

/** Tokens that the answer depends on, the answer, and what the model says unless it has seen both. */
const CLUES = [150, 200] as const;
const ANSWER = 100;
const EVASION = 101;

const NOISE = 0.02;
// Dimensions of the residual stream: one that is the same for every token, each clue's mark, what has been found, and the rest.
const [SAME, MARKS, FOUND] = [0, [1, 2], [3, 4]] as const;
const FIRST_FREE = 5;

/**
 * A small Llama that answers where it has seen both clues, whatever the other tokens: a head of its first layer looks for
 * each, and writes what it found to a dimension that only the answer's logit reads. All other weights are small noise.
 */
export function writePlantedModel(folder: string): string {
  const { gguf } = tinyLlama({ ...tinyOptions, tied: false });
  const { width, headDim, heads, kvHeads } = tinyOptions;
  const next = uniform(5);
  const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  const weights = new Map(
    gguf.tensors.map((tensor) => {
      const values = new Float32Array(tensor.bytes.buffer, tensor.bytes.byteOffset, tensor.bytes.length / 4);
      values.forEach((_, i) => {
        values[i] = tensor.shape.length === 1 ? 1 : NOISE * normal();
      });
      return [tensor.name, values] as const;
    }),
  );
  const set = (name: string, columns: number, row: number, column: number, value: number) => {
    const values = weights.get(name);
    if (!values) throw new Error(`There is no ${name}.`);
    values[row * columns + column] = value;
  };

  for (let id = 0; id < tinyOptions.vocabulary; id++) {
    set("token_embd.weight", width, id, SAME, 0.8);
    // Of one size everywhere, so that no dimension of the last token, which the answer's logit sees too, counts for much.
    for (let column = FIRST_FREE; column < width; column++)
      set("token_embd.weight", width, id, column, next() < 0.5 ? -0.8 : 0.8);
  }
  set("output.weight", width, EVASION, SAME, 6);
  // The last pair of a head turns so slowly with the position that the distance does not count; GGUF has its rows last.
  const slow = headDim - 2;
  CLUES.forEach((clue, i) => {
    const kvHead = i;
    const head = (i * heads) / kvHeads;
    set("token_embd.weight", width, clue, MARKS[i] as number, 0.5);
    set("blk.0.attn_q.weight", width, head * headDim + slow, SAME, 6.3);
    set("blk.0.attn_k.weight", width, kvHead * headDim + slow, MARKS[i] as number, 6.3);
    set("blk.0.attn_v.weight", width, kvHead * headDim, MARKS[i] as number, 1);
    set("blk.0.attn_output.weight", heads * headDim, FOUND[i] as number, head * headDim, 1.64);
    set("output.weight", width, ANSWER, FOUND[i] as number, 3.5);
  });
  const path = join(folder, "planted.gguf");
  writeGguf(path, gguf);
  return path;
}

/** A prompt of random tokens with the clues somewhere in it, followed by the answer so many times. */
export function plantedText(tokens: number, answers: number, seed: number) {
  const next = uniform(seed);
  const below = (end: number) => Math.floor(next() * end);
  const kept = new Set<number>([...CLUES, ANSWER, EVASION]);
  const others = Array.from({ length: tinyOptions.vocabulary - 3 }, (_, i) => i + 3).filter((id) => !kept.has(id));
  const promptIds = Int32Array.from({ length: tokens }, () => others[below(others.length)] as number);
  const first = below(tokens - 1);
  const second = (first + 1 + below(tokens - 2)) % (tokens - 1);
  promptIds[first] = CLUES[0];
  promptIds[second] = CLUES[1];
  const targetIds = Int32Array.from([...promptIds, ...new Array<number>(answers).fill(ANSWER)]);
  return { promptIds, targetIds, clues: [first, second].sort((a, b) => a - b) };
}
