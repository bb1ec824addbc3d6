import { bisectRight } from "d3-array";
import type { NativeDocument } from "../../storage/schema.js";
import { align } from "../alignment.js";
import type { Theme } from "../scale.js";
import { hasWords, tokenUnits, type Units, wordUnits } from "../units.js";
import { type View, viewOf } from "../view.js";
import type { LensFocus, LensState } from "./state.js";

export type Colours = Theme | "system";

export interface Settings extends Omit<LensState, "pinned"> {
  /** What was chosen. */
  readonly colours: Colours;
}

/** What is looked at, in positions of what is shown, tokens or words: [position, end), and one before it in particular. */
export interface Focus {
  readonly result: number;
  readonly position: number;
  readonly end: number;
  readonly source?: number | undefined;
}

type Change = "settings" | "focus";
type Listener = (changes: ReadonlySet<Change>) => void;

/** What all views of a page share: results, settings, and what is hovered or pinned. */
export class Board {
  readonly documents: readonly NativeDocument[];
  /** For screen readers. */
  readonly status: HTMLElement;
  readonly #tokens: readonly Units[];
  #words: readonly Units[] | undefined;
  readonly #system: MediaQueryList;
  #settings: Settings;
  #hovered: Focus | undefined;
  #pinned: Focus | undefined;
  readonly #watchers: Listener[] = [];
  #listeners: Listener[] = [];
  readonly #changes = new Set<Change>();
  readonly #alignments = new Map<string, Int32Array>();
  #redraw = () => {};
  #drawing = new AbortController();

  constructor(
    documents: readonly NativeDocument[],
    { pinned, ...settings }: LensState,
    { status, system, colours }: { status: HTMLElement; system: MediaQueryList; colours: Colours },
  ) {
    this.documents = documents;
    this.status = status;
    this.#system = system;
    this.#tokens = documents.map((document) => tokenUnits(viewOf(document)));
    this.#settings = { ...settings, colours };
    this.#pinned = this.#inUnits(pinned);
  }

  /** Of the unit that is shown, one for each result. */
  get views(): readonly View[] {
    return this.#units.map(({ view }) => view);
  }

  /** Of tokens, whatever is shown. */
  get tokenViews(): readonly View[] {
    return this.#tokens.map(({ view }) => view);
  }

  get hasWords(): boolean {
    return this.tokenViews.some(hasWords);
  }

  get settings(): Settings {
    return this.#settings;
  }

  get theme(): Theme {
    const { colours } = this.#settings;
    return colours !== "system" ? colours : this.#system.matches ? "dark" : "light";
  }

  get state(): LensState {
    const { colours: _, ...settings } = this.#settings;
    return { ...settings, pinned: this.#inTokens(this.#pinned) };
  }

  set state({ pinned, ...settings }: LensState) {
    this.set(settings);
    const focus = this.#inUnits(pinned);
    if (same(focus, this.#pinned)) return;
    this.#pinned = focus;
    this.#changed("focus");
  }

  /** The step score that stands under a result's outputs. */
  stepOf({ stepScores }: View): string | undefined {
    const { step } = this.#settings;
    if (step !== null && Object.hasOwn(stepScores, step)) return step;
    const known = step !== null && this.#tokens.some(({ view }) => Object.hasOwn(view.stepScores, step));
    return known ? undefined : Object.keys(stepScores)[0];
  }

  /** Calls back at most once a frame, for as long as the unit stays. */
  subscribe(listener: Listener): void {
    this.#listeners.push(listener);
  }

  /** Calls back at most once a frame. */
  watch(listener: Listener): void {
    this.#watchers.push(listener);
  }

  /** Draws now, and anew as soon as the unit is another: what was drawn before has no subscription then. */
  draw(redraw: () => void): void {
    this.#redraw = redraw;
    redraw();
  }

  /** Tells later on whether what is drawn now is still there. */
  drawing(): () => boolean {
    const { signal } = this.#drawing;
    return () => !signal.aborted;
  }

  /** Other results take the place of these. */
  leave(): void {
    this.#drawing.abort();
    this.#listeners = [];
  }

  set(changes: Partial<Settings>): void {
    const { unit } = this.#settings;
    const pinned = this.#inTokens(this.#pinned);
    this.#settings = { ...this.#settings, ...changes };
    this.#changed("settings");
    if (unit === this.#settings.unit) return;
    this.#pinned = this.#inUnits(pinned);
    this.#hovered = undefined;
    this.leave();
    this.#drawing = new AbortController();
    this.#alignments.clear();
    this.#redraw();
  }

  /** The system's colours are others. */
  recolour(): void {
    this.#changed("settings");
  }

  /** What is pinned stays until it is released. */
  get focus(): Focus | undefined {
    return this.#pinned ?? this.#hovered;
  }

  get pinned(): Focus | undefined {
    return this.#pinned;
  }

  hover(focus: Focus | undefined): void {
    if (same(focus, this.#hovered)) return;
    this.#hovered = focus;
    if (this.#pinned === undefined) this.#changed("focus");
  }

  /** Pins a focus, or releases the one that is pinned already. */
  pin(focus: Focus): void {
    this.#pinned = same(focus, this.#pinned) ? undefined : focus;
    this.#hovered = focus;
    this.#changed("focus");
  }

  /** Pins the span from one position to another, whichever comes first. */
  select(result: number, from: number, to: number): void {
    const focus = { result, position: Math.min(from, to), end: Math.max(from, to) + 1 };
    if (!same(focus, this.#pinned)) this.pin(focus);
  }

  release(): void {
    this.#pinned = undefined;
    this.#hovered = undefined;
    this.#changed("focus");
  }

  /** The focus as it lies in another result; undefined where that lacks it. A span is from the first it has to the last. */
  focusIn(result: number): Focus | undefined {
    const { focus } = this;
    if (focus === undefined || focus.result === result) return focus;
    const places = this.alignment(focus.result, result);
    const shared = places.slice(focus.position, focus.end).filter((place) => place >= 0);
    const [first, last] = [shared[0], shared.at(-1)];
    if (first === undefined || last === undefined) return undefined;
    const source = focus.source === undefined ? -1 : (places[focus.source] ?? -1);
    return { result, position: first, end: last + 1, ...(source >= 0 && { source }) };
  }

  alignment(from: number, to: number): Int32Array {
    const key = `${from} ${to}`;
    const places = this.#alignments.get(key) ?? align(this.views[from] as View, this.views[to] as View);
    this.#alignments.set(key, places);
    return places;
  }

  get #units(): readonly Units[] {
    if (this.#settings.unit === "token") return this.#tokens;
    this.#words ??= this.tokenViews.map(wordUnits);
    return this.#words;
  }

  #inTokens(focus: Focus | undefined): LensFocus | null {
    if (focus === undefined) return null;
    const { starts } = this.#units[focus.result] as Units;
    const [position, end] = [starts[focus.position] as number, starts[focus.end] as number];
    return {
      result: focus.result,
      position,
      ...(end > position + 1 && { end }),
      ...(focus.source !== undefined && { source: starts[focus.source] as number }),
    };
  }

  /** Undefined for what the results do not have. */
  #inUnits(focus: LensFocus | null): Focus | undefined {
    const units = focus === null ? undefined : this.#units[focus.result];
    if (focus === null || units === undefined) return undefined;
    const { result, position: first, end = first + 1, source } = focus;
    const { starts } = units;
    if (end > (starts.at(-1) as number)) return undefined;
    const unitOf = (token: number) => bisectRight(starts, token) - 1;
    const position = unitOf(first);
    const before = source === undefined ? position : unitOf(source);
    return { result, position, end: unitOf(end - 1) + 1, ...(before < position && { source: before }) };
  }

  #changed(change: Change): void {
    if (this.#changes.size === 0)
      requestAnimationFrame(() => {
        const changes = new Set(this.#changes);
        this.#changes.clear();
        for (const listener of [...this.#watchers, ...this.#listeners]) listener(changes);
      });
    this.#changes.add(change);
  }
}

function same(a: Focus | undefined, b: Focus | undefined): boolean {
  return a?.result === b?.result && a?.position === b?.position && a?.end === b?.end && a?.source === b?.source;
}
