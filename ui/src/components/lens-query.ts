import { useCallback, useRef } from "react";
import { useSearchParams } from "react-router";
import { changedState, initialState, type LensState } from "../../../src/viz/page/state.js";

/** Writes what of a state is not as it was at first into a query; what else is there stays. */
export function writeState(query: URLSearchParams, state: Partial<LensState>): URLSearchParams {
  const changed = new URLSearchParams(query);
  for (const [key, value] of Object.entries(state))
    if (JSON.stringify(value) === JSON.stringify(initialState[key as keyof LensState])) changed.delete(key);
    else changed.set(key, typeof value === "string" ? value : JSON.stringify(value));
  return changed;
}

/** The state that a query tells; what is missing in it, or no value, is as at first. */
export function readState(query: URLSearchParams): LensState {
  return changedState(initialState, Object.fromEntries([...query].map(([key, text]) => [key, parsed(text)])));
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
