import { group } from "d3-array";
import { max, mean, sum } from "simple-statistics";
import type { z } from "zod";
import { TokenlenseError } from "../../errors.js";
import { load } from "../../storage/results.js";
import type { Entry } from "../results/describe.js";
import { type Occurrence, occurrencesOf } from "./occurrences.js";
import type { Part, tokenImportanceList, Unit } from "./schemas.js";

const MOST_RESULTS = 1000;
const MOST_TOKENS = 5000;
const PLACES = 3;

type Importance = z.output<typeof tokenImportanceList>;
type Found = Occurrence & { id: string };

/** What was read of each result; a changed file has another entry. */
type Read = WeakMap<Entry, Promise<Occurrence[]>>;
const seen: Readonly<Record<Unit, Read>> = { token: new WeakMap(), word: new WeakMap() };

/**
 * Which tokens matter over results: of each file the first sequence. A result is read once as long as it stays as it is.
 * @param entries The newest first; those beyond the first 1,000 are left out.
 * @param isLeft Whether nobody waits for it any more.
 * @throws ERR_TOKENLENSE_CANCELLED
 */
export async function importanceOver(
  entries: readonly Entry[],
  { unit, part, isLeft }: { unit: Unit; part: Part; isLeft: () => boolean },
): Promise<Importance> {
  const found: Found[] = [];
  const damaged: Importance["damaged"] = [];
  for (const entry of entries.slice(0, MOST_RESULTS)) {
    if (isLeft()) throw new TokenlenseError("ERR_TOKENLENSE_CANCELLED", "The client has gone.");
    try {
      for (const occurrence of await read(entry, unit))
        if (part === "all" || occurrence.role === part) found.push({ ...occurrence, id: entry.id });
    } catch (thrown) {
      const { code, message } = TokenlenseError.from(thrown);
      damaged.push({ id: entry.id, code, message: message.replaceAll(entry.path, entry.name) });
    }
  }
  const tokens = [...group(found, ({ token }) => token).values()].map(itemOf).sort((a, b) => b.total - a.total);
  return {
    items: tokens.slice(0, MOST_TOKENS),
    tokens: tokens.length,
    results: Math.min(entries.length, MOST_RESULTS) - damaged.length,
    matching: entries.length,
    damaged,
  };
}

function read(entry: Entry, unit: Unit): Promise<Occurrence[]> {
  const known = seen[unit].get(entry);
  if (known) return known;
  const reading = load(entry.path).then((result) => {
    using open = result;
    return occurrencesOf(open, unit);
  });
  seen[unit].set(entry, reading);
  reading.catch(() => seen[unit].delete(entry));
  return reading;
}

function itemOf(members: Found[]): Importance["items"][number] {
  const shares = members.map(({ share }) => share);
  const byResult = [...group(members, ({ id }) => id).values()].map(
    (own) => own.toSorted((a, b) => b.share - a.share)[0] as Found,
  );
  return {
    token: (members[0] as Found).token,
    occurrences: members.length,
    results: byResult.length,
    total: sum(shares),
    mean: mean(shares),
    most: max(shares),
    lift: mean(members.map(({ lift }) => lift)),
    places: byResult
      .sort((a, b) => b.share - a.share)
      .slice(0, PLACES)
      .map(({ id, position, share }) => ({ id, position, share })),
  };
}
