import { useCallback, useRef } from "react";
import { useSearchParams } from "react-router";
import type { LensState } from "./token-lens.js";

/** The state that an element has which nobody has touched: what a link need not say. */
const initial = (): LensState => ({ ...document.createElement("token-lens").state });

/** Writes what of a state is not as it was at first into a query; what else is there stays. */
export function writeState(query: URLSearchParams, state: LensState): URLSearchParams {
  const first = initial();
  const changed = new URLSearchParams(query);
  for (const [key, value] of Object.entries(state))
    if (JSON.stringify(value) === JSON.stringify(first[key])) changed.delete(key);
    else changed.set(key, typeof value === "string" ? value : JSON.stringify(value));
  return changed;
}

/** The state that a query tells; what is missing in it is as at first. The element passes over what is no value of its own. */
export function readState(query: URLSearchParams): LensState {
  const first = initial();
  return Object.fromEntries(
    Object.entries(first).map(([key, value]) => {
      const text = query.get(key);
      return [key, text === null ? value : parsed(text)];
    }),
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** The state of the address's `<token-lens>`, kept in the query: a link to this page opens exactly this view. */
export function useLensQuery(): { state: LensState; setState: (state: LensState) => void } {
  const [query, setQuery] = useSearchParams();
  const set = useRef(setQuery);
  set.current = setQuery;
  const setState = useCallback(
    (state: LensState) =>
      set.current((before) => writeState(before, state), { replace: true, preventScrollReset: true }),
    [],
  );
  return { state: readState(query), setState };
}
