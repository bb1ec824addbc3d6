import type { ImportantToken } from "../../api/importance.js";

/** How a token's places in all results are taken together. */
export const figures = {
  total: { label: "Total", about: "Sum over its places of its mean share of the outputs after it." },
  mean: { label: "Mean share", about: "Mean over its places of its mean share of the outputs after it." },
  most: { label: "Largest share", about: "The largest mean share that it has at one of its places." },
  lift: { label: "Against average", about: "How many times the share of an average token of its text it has." },
} as const satisfies Partial<Record<keyof ImportantToken, { label: string; about: string }>>;

export type Figure = keyof typeof figures;
export const isFigure = (name: string): name is Figure => Object.hasOwn(figures, name);

export function figureText(figure: Figure, value: number): string {
  if (figure === "total") return value.toFixed(2);
  return figure === "lift" ? `${value.toFixed(2)} ×` : `${(100 * value).toFixed(1)} %`;
}
