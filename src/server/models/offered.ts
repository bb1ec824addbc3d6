import { TokenlenseError } from "../../errors.js";
import { cachedModels } from "../../models/catalogue.js";
import { KNOWN_MODELS } from "../../models/sources.js";
import { unknownName } from "../../nearest.js";

/** A model that clients may name. */
export interface OfferedModel {
  name: string;
  /** Given to the server, known to this package, or a repository in the hub's cache. */
  origin: "given" | "known" | "cached";
}

/** Those that were given come first. */
export async function offeredModels(given: readonly string[]): Promise<OfferedModel[]> {
  const cached = (await cachedModels()).filter(({ kind }) => kind === "hub").map(({ name }) => name);
  const origins = new Map<string, OfferedModel["origin"]>();
  const add = (names: readonly string[], origin: OfferedModel["origin"]) => {
    for (const name of names) if (!origins.has(name)) origins.set(name, origin);
  };
  add(given, "given");
  add(Object.keys(KNOWN_MODELS), "known");
  add(cached, "cached");
  return [...origins].map(([name, origin]) => ({ name, origin }));
}

/**
 * What a client names is looked for among what is offered, and never taken for a path.
 * @throws ERR_TOKENLENSE_MODEL with the nearest names.
 */
export async function requireOffered(name: string, given: readonly string[]): Promise<void> {
  if (given.includes(name) || Object.hasOwn(KNOWN_MODELS, name)) return;
  const names = (await offeredModels(given)).map((model) => model.name);
  if (names.includes(name)) return;
  const { message, hint } = unknownName("model", name, names);
  throw new TokenlenseError("ERR_TOKENLENSE_MODEL", message, { hint });
}
