import { unknownName } from "../nearest.js";

/** Scores row-major [sequence, outputs, inner] on another scale. */
type Normalisation = (scores: Float32Array, outputs: number, inner: number) => Float32Array;

const registry = {
  /** For each output, shares: sizes sum to 1 over the positions. Inseq's `normalize`. */
  inseq(scores, outputs, inner) {
    const row = outputs * inner;
    const totals = new Float64Array(row);
    scores.forEach((score, cell) => {
      totals[cell % row] = (totals[cell % row] as number) + Math.abs(score);
    });
    // The bound is that of torch's F.normalize: an output that leaned on nothing stays zero.
    return scores.map((score, cell) => score / Math.max(totals[cell % row] as number, 1e-12));
  },

  /** Divided by the largest size of all. Inseq's `rescale`, which makes NaN of scores that are all zero; they stay zero. */
  rescale(scores) {
    const largest = scores.reduce((most, score) => Math.max(most, Math.abs(score)), 0);
    return largest > 0 ? scores.map((score) => score / largest) : scores.slice();
  },

  /**
   * TokenLense's `normalized_association`: for each position, min–max over the outputs whose score is not zero; zeros
   * stay zero, and where there is but one value it becomes 0.5.
   */
  tokenlense(scores, outputs, inner) {
    const result = new Float32Array(scores.length);
    for (let row = 0; row < scores.length; row += outputs * inner)
      for (let first = row; first < row + inner; first++) {
        let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
        const each = (visit: (score: number, cell: number) => void) => {
          for (let output = 0; output < outputs; output++) {
            const cell = first + output * inner;
            const score = scores[cell] as number;
            if (score !== 0) visit(score, cell);
          }
        };
        each((score) => {
          low = Math.min(low, score);
          high = Math.max(high, score);
        });
        each((score, cell) => {
          result[cell] = high > low ? (score - low) / (high - low) : 0.5;
        });
      }
    return result;
  },
} satisfies Record<string, Normalisation>;

export type NormalisationName = keyof typeof registry;

/**
 * @param scores Row-major, [sequence, outputs] and any dimensions after them, `inner` values in all; each is by itself,
 * but `rescale` goes by the largest of all.
 * @throws ERR_TOKENLENSE_INPUT with the nearest names.
 */
export function normalise(name: NormalisationName, scores: Float32Array, outputs: number, inner = 1): Float32Array {
  if (!Object.hasOwn(registry, name)) throw unknownName("normalisation", name, Object.keys(registry));
  return registry[name](scores, outputs, inner);
}
