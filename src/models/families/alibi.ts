/**
 * Slopes of ALiBi (Press et al. 2022, arXiv:2108.12409): a geometric sequence over the heads; where these are no power of two,
 * every second of the next power's for the rest.
 */
function alibiSlopes(heads: number): number[] {
  const power = 2 ** Math.floor(Math.log2(heads));
  const slope = (of: number, i: number) => 2 ** (-8 * ((i + 1) / of));
  return Array.from({ length: heads }, (_, i) => (i < power ? slope(power, i) : slope(2 * power, 2 * (i - power))));
}

/** [heads, context] with `value(slope, position)`. */
export function alibiTable(
  { heads, context }: { heads: number; context: number },
  value: (slope: number, position: number) => number,
): Float32Array {
  const slopes = alibiSlopes(heads);
  return Float32Array.from({ length: heads * context }, (_, i) =>
    value(slopes[Math.floor(i / context)] as number, i % context),
  );
}
