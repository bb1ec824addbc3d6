import { distance } from "fastest-levenshtein";
import { TokenlenseError } from "./errors.js";

/** The names most like `name`, best first: those within a third of its length in edits, or that contain it. */
export function nearest(name: string, names: readonly string[]): string[] {
  const wanted = name.toLowerCase();
  return names
    .map((candidate) => ({ candidate, edits: distance(wanted, candidate.toLowerCase()) }))
    .filter(
      ({ candidate, edits }) =>
        edits <= Math.max(2, wanted.length / 3) || (wanted.length > 2 && candidate.includes(wanted)),
    )
    .sort((a, b) => a.edits - b.edits)
    .slice(0, 3)
    .map(({ candidate }) => candidate);
}

/** ERR_TOKENLENSE_INPUT for a name that a registry does not have; the hint gives the nearest names, or all. */
export function unknownName(kind: string, name: string, names: readonly string[]): TokenlenseError {
  const near = nearest(name, names);
  return new TokenlenseError("ERR_TOKENLENSE_INPUT", `Unknown ${kind} "${name}".`, {
    hint:
      near.length > 0
        ? `Did you mean ${near.join(" or ")}?`
        : names.length > 0
          ? `Known: ${names.join(", ")}.`
          : "There are none.",
  });
}
