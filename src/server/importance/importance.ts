import { group } from "d3-array";
import { LRUCache } from "lru-cache";
import { sum } from "simple-statistics";
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
type Item = Importance["items"][number];

/** Of what was read, positions that are kept: some 20 MB. */
const MOST_KEPT = 200_000;

/** Each result's tokens, until it changes: it has another entry then. */
const reader = (unit: Unit) =>
  new LRUCache<Entry, Occurrence[]>({
    maxSize: MOST_KEPT,
    sizeCalculation: ({ length }) => length + 1,
    ignoreFetchAbort: true,
    fetchMethod: async ({ path }) => {
      using result = await load(path);
      return occurrencesOf(result, unit);
    },
  });
const readers: Readonly<Record<Unit, ReturnType<typeof reader>>> = { token: reader("token"), word: reader("word") };

/**
 * Which tokens matter over results: of each file the first sequence.
 * @param entries The newest first; those beyond the first 1,000 are left out.
 * @param isLeft Whether nobody waits for it any more.
 * @throws ERR_TOKENLENSE_CANCELLED
 */
export async function importanceOver(
  entries: readonly Entry[],
  { unit, part, isLeft }: { unit: Unit; part: Part; isLeft: () => boolean },
): Promise<Importance> {
  const tallies = new Map<string, Item>();
  const damaged: Importance["damaged"] = [];
  for (const entry of entries.slice(0, MOST_RESULTS)) {
    if (isLeft()) throw new TokenlenseError("ERR_TOKENLENSE_CANCELLED", "The client has gone.");
    try {
      const counted = (await readers[unit].forceFetch(entry)).filter(({ role }) => part === "all" || role === part);
      for (const [token, members] of group(counted, (one) => one.token))
        tallies.set(token, added(tallies.get(token), entry.id, members));
    } catch (thrown) {
      const { code, message } = TokenlenseError.from(thrown);
      damaged.push({ id: entry.id, code, message: message.replaceAll(entry.path, entry.name) });
    }
  }
  const items = [...tallies.values()].sort((a, b) => b.total - a.total).slice(0, MOST_TOKENS);
  return {
    items: items.map((item) => ({ ...item, mean: item.total / item.occurrences, lift: item.lift / item.occurrences })),
    tokens: tallies.size,
    results: Math.min(entries.length, MOST_RESULTS) - damaged.length,
    matching: entries.length,
    damaged,
  };
}

/** What is known of a token with its places in one more result; `lift` is the sum until all are read. */
function added(item: Item | undefined, id: string, members: readonly Occurrence[]): Item {
  const { token, position, share } = members.reduce((best, one) => (one.share > best.share ? one : best));
  const before = item ?? { token, occurrences: 0, results: 0, total: 0, mean: 0, most: 0, lift: 0, places: [] };
  const places = [...before.places, { id, position, share }].sort((a, b) => b.share - a.share);
  return {
    ...before,
    occurrences: before.occurrences + members.length,
    results: before.results + 1,
    total: before.total + sum(members.map((one) => one.share)),
    most: Math.max(before.most, share),
    lift: before.lift + sum(members.map((one) => one.lift)),
    places: places.slice(0, PLACES),
  };
}
