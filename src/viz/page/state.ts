import type { PictureNormalisation } from "../view.js";

/** A token that is looked at, or a span of them. Positions are tokens', from 0, where words are shown too. */
export interface LensFocus {
  /** Its place among the element's results. */
  readonly result: number;
  readonly position: number;
  /** Of a span, the position after its last token. Default: `position + 1`. */
  readonly end?: number;
  /** A token before it whose score for it is looked at in particular. */
  readonly source?: number;
}

/** All that makes a view of `<token-lens>` this one, as plain JSON. */
export interface LensState {
  /** Default: "inseq", each output's sizes sum to 1. */
  readonly normalisation: PictureNormalisation;
  /** Scores below this share of the largest are hidden, 0 to 1. Default: 0. */
  readonly strength: number;
  /** So many of each output's largest scores are shown; 0, the default, for all. */
  readonly topK: number;
  /** The step score under each output. Default, and where a result lacks it: null, the first that there is. */
  readonly step: string | null;
  /** Words are merged tokens: scores by absmax, step scores by their own functions. Default: "token". */
  readonly unit: "token" | "word";
  /** Width of a heat map's cell in CSS pixels, 3 to 56. Default: null, what fits. */
  readonly zoom: number | null;
  /** Whether tokens are the larger the more they count. Default: false. */
  readonly cloud: boolean;
  readonly pinned: LensFocus | null;
}

export const initialState: LensState = {
  normalisation: "inseq",
  strength: 0,
  topK: 0,
  step: null,
  unit: "token",
  zoom: null,
  cloud: false,
  pinned: null,
};

export const zoomRange = { least: 3, most: 56 } as const;

const normalisations: Readonly<Record<PictureNormalisation, true>> = {
  raw: true,
  inseq: true,
  rescale: true,
  tokenlense: true,
};

type Readers = { readonly [Key in keyof LensState]: (value: unknown) => LensState[Key] | undefined };

const readers: Readers = {
  normalisation: (value) =>
    typeof value === "string" && Object.hasOwn(normalisations, value) ? (value as PictureNormalisation) : undefined,
  strength: (value) => clamped(value, 0, 1),
  topK: (value) => whole(clamped(value, 0, Number.MAX_SAFE_INTEGER)),
  step: (value) => (value === null || typeof value === "string" ? value : undefined),
  unit: (value) => (value === "token" || value === "word" ? value : undefined),
  zoom: (value) => (value === null ? null : clamped(value, zoomRange.least, zoomRange.most)),
  cloud: (value) => (typeof value === "boolean" ? value : undefined),
  pinned: (value) => (value === null ? null : readFocus(value)),
};

/** A state with the changes that `given` names: numbers beyond their range take its ends, what is no value is passed over. */
export function changedState(state: LensState, given: unknown): LensState {
  if (typeof given !== "object" || given === null) return state;
  const changes = Object.entries(readers).flatMap(([key, read]) => {
    const value = Object.hasOwn(given, key) ? read((given as Record<string, unknown>)[key]) : undefined;
    return value === undefined ? [] : [[key, value] as const];
  });
  return { ...state, ...Object.fromEntries(changes) };
}

function readFocus(value: unknown): LensFocus | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { result, position, end, source } = value as Readonly<Record<string, unknown>>;
  if (!isPlace(result) || !isPlace(position)) return undefined;
  return {
    result,
    position,
    ...(isPlace(end) && end > position + 1 && { end }),
    ...(isPlace(source) && source < position && { source }),
  };
}

const isPlace = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function clamped(value: unknown, least: number, most: number): number | undefined {
  if (typeof value !== "number" || Number.isNaN(value)) return undefined;
  return Math.min(most, Math.max(least, value));
}

const whole = (value: number | undefined) => (value === undefined ? undefined : Math.floor(value));
