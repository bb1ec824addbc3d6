import type { BufferPlan, PartPlan } from "./family.js";

/** Collects the buffers of a family's TorchScript. */
export class Buffers {
  readonly list: BufferPlan[] = [];

  constructor(private readonly layers: number) {}

  /** A buffer that is one tensor. */
  one(name: string, tensor: string, shape: number[], part: Partial<PartPlan> = {}): this {
    this.list.push({ name, shape: rowsOf({ tensor, shape, ...part }), parts: [{ tensor, shape, ...part }] });
    return this;
  }

  /** [layers, ...shape], from the parts of each layer in turn; of `layers` alone where they are given. */
  each(
    name: string,
    shape: number[],
    parts: (layer: number) => PartPlan | PartPlan[],
    layers: readonly number[] = Array.from({ length: this.layers }, (_, i) => i),
  ): this {
    this.list.push({ name, shape: [layers.length, ...shape], parts: layers.flatMap(parts) });
    return this;
  }

  /** A buffer per layer that the checkpoint has nothing for: [layers, 0]. */
  none(...names: string[]): this {
    for (const name of names) this.list.push({ name, shape: [this.layers, 0], parts: [] });
    return this;
  }
}

function rowsOf({ shape, rows }: PartPlan): number[] {
  return rows ? [rows[1], ...shape.slice(-1)] : shape;
}

/**
 * Rows of a joint projection in which each group of query heads is followed by its key and its value, as GPT-NeoX, BLOOM and
 * Falcon store it: queries of all groups first, then keys, then values.
 * @param queries heads in a group.
 */
export function ungroupedHeads(groups: number, queries: number, dim: number, part: PartPlan): PartPlan[] {
  const size = (queries + 2) * dim;
  const each = (from: number, count: number): PartPlan[] =>
    Array.from({ length: groups }, (_, group) => ({ ...part, rows: [group * size + from * dim, count * dim] }));
  return [...each(0, queries), ...each(queries, 1), ...each(queries + 1, 1)];
}
