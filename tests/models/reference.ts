import type { TinyBuffer, TinyOptions } from "./tiny.js";

/**
 * Llama's forward pass in plain loops and float64, from the equations: RMS norm, rotary positions in halves order,
 * grouped-query causal attention, SwiGLU. Slow; for small models.
 * @returns logits [ids.length][vocabulary]
 */
export function referenceLogits(
  buffers: Record<string, TinyBuffer>,
  { layers, heads, kvHeads, headDim, width, hidden, vocabulary, ropeTheta = 10_000, normEps = 1e-5 }: TinyOptions,
  ids: ArrayLike<number>,
): number[][] {
  const weights = (name: string): Float32Array => {
    const buffer = buffers[name];
    if (!buffer) throw new Error(`no buffer ${name}`);
    return buffer.data;
  };
  /** Row `row` of a matrix [rows, columns] at `offset`, times `x`. */
  const dot = (data: Float32Array, offset: number, x: number[]): number =>
    x.reduce((sum, value, i) => sum + value * (data[offset + i] as number), 0);
  const matrix = (data: Float32Array, offset: number, rows: number, x: number[]): number[] =>
    Array.from({ length: rows }, (_, row) => dot(data, offset + row * x.length, x));
  const norm = (name: string, offset: number, x: number[]): number[] => {
    const scale = 1 / Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / x.length + normEps);
    return x.map((value, i) => value * scale * (weights(name)[offset + i] as number));
  };
  const rotated = (x: number[], position: number): number[] =>
    x.map((value, i) => {
      const half = headDim / 2;
      const angle = position * ropeTheta ** ((-2 * (i % half)) / headDim);
      const other = i < half ? -(x[i + half] as number) : (x[i - half] as number);
      return value * Math.cos(angle) + other * Math.sin(angle);
    });
  const head = (x: number[], i: number): number[] => x.slice(i * headDim, (i + 1) * headDim);
  const plus = (a: number[], b: number[]): number[] => a.map((value, i) => value + (b[i] as number));

  let states = Array.from(ids, (id) => Array.from(weights("embedding").subarray(id * width, (id + 1) * width)));
  for (let layer = 0; layer < layers; layer++) {
    const rows = (heads + 2 * kvHeads) * headDim;
    const projected = states.map((x) =>
      matrix(weights("qkv"), layer * rows * width, rows, norm("attention_norm", layer * width, x)),
    );
    const keys = projected.map((x, t) => Array.from({ length: kvHeads }, (_, h) => rotated(head(x, heads + h), t)));
    const values = projected.map((x) => Array.from({ length: kvHeads }, (_, h) => head(x, heads + kvHeads + h)));
    const value = (at: number, group: number, i: number): number =>
      ((values[at] as number[][])[group] as number[])[i] as number;
    states = states.map((x, t) => {
      const mixed = Array.from({ length: heads }, (_, h) => {
        const group = Math.floor((h * kvHeads) / heads);
        const query = rotated(head(projected[t] as number[], h), t);
        const scores = keys.slice(0, t + 1).map((key) => {
          const k = key[group] as number[];
          return query.reduce((sum, value, i) => sum + value * (k[i] as number), 0) / Math.sqrt(headDim);
        });
        const shares = softmax(scores);
        return Array.from({ length: headDim }, (_, i) =>
          shares.reduce((sum, share, s) => sum + share * value(s, group, i), 0),
        );
      }).flat();
      const attended = plus(x, matrix(weights("attention_out"), layer * width * mixed.length, width, mixed));
      const both = matrix(
        weights("gate_up"),
        layer * 2 * hidden * width,
        2 * hidden,
        norm("mlp_norm", layer * width, attended),
      );
      const gated = both
        .slice(0, hidden)
        .map((gate, i) => (gate / (1 + Math.exp(-gate))) * (both[hidden + i] as number));
      return plus(attended, matrix(weights("down"), layer * width * hidden, width, gated));
    });
  }
  const table = buffers.head?.data ?? weights("embedding");
  return states.map((x) => matrix(table, 0, vocabulary, norm("final_norm", 0, x)));
}

export function softmax(scores: number[]): number[] {
  const top = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - top));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}
