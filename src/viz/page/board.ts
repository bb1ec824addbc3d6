import type { NativeDocument } from "../../storage/schema.js";
import { align } from "../alignment.js";
import type { Theme } from "../scale.js";
import { type PictureNormalisation, type View, viewOf } from "../view.js";

export interface Settings {
  normalisation: PictureNormalisation;
  /** Scores below this share of the largest are hidden, 0 to 1. */
  strength: number;
  /** So many of each output's largest scores are shown; 0 for all. */
  topK: number;
  theme: Theme;
  /** Which step score stands under each output; none where there are none. */
  step: string | undefined;
}

/** A token that is looked at, and which of those before it in particular. */
export interface Focus {
  readonly result: number;
  readonly position: number;
  readonly source?: number | undefined;
}

type Change = "settings" | "focus";

/** What all views of a page share: results, settings, and the token that is hovered or pinned. */
export class Board {
  readonly views: readonly View[];
  readonly settings: Settings;
  /** For screen readers. */
  readonly status: HTMLElement;
  #hovered: Focus | undefined;
  #pinned: Focus | undefined;
  readonly #listeners: ((changes: ReadonlySet<Change>) => void)[] = [];
  readonly #changes = new Set<Change>();
  readonly #alignments = new Map<string, Int32Array>();

  constructor(documents: readonly NativeDocument[], settings: Omit<Settings, "step">, status: HTMLElement) {
    this.views = documents.map(viewOf);
    const steps = documents.flatMap(({ data }) => Object.keys(data.step_scores ?? {}));
    this.settings = { ...settings, step: steps[0] };
    this.status = status;
  }

  /** Calls back at most once a frame. */
  subscribe(listener: (changes: ReadonlySet<Change>) => void): void {
    this.#listeners.push(listener);
  }

  set(changes: Partial<Settings>): void {
    Object.assign(this.settings, changes);
    this.#changed("settings");
  }

  /** What is pinned stays until it is released. */
  get focus(): Focus | undefined {
    return this.#pinned ?? this.#hovered;
  }

  get pinned(): boolean {
    return this.#pinned !== undefined;
  }

  hover(focus: Focus | undefined): void {
    if (same(focus, this.#hovered)) return;
    this.#hovered = focus;
    if (this.#pinned === undefined) this.#changed("focus");
  }

  /** Pins a token, or releases the one that is pinned already. */
  pin(focus: Focus): void {
    this.#pinned = same(focus, this.#pinned) ? undefined : focus;
    this.#hovered = focus;
    this.#changed("focus");
  }

  release(): void {
    this.#pinned = undefined;
    this.#hovered = undefined;
    this.#changed("focus");
  }

  /** The focus as it lies in another result; undefined where that lacks the token. */
  focusIn(result: number): Focus | undefined {
    const { focus } = this;
    if (focus === undefined || focus.result === result) return focus;
    const places = this.alignment(focus.result, result);
    const position = places[focus.position] ?? -1;
    if (position < 0) return undefined;
    const source = focus.source === undefined ? -1 : (places[focus.source] ?? -1);
    return { result, position, ...(source >= 0 && { source }) };
  }

  alignment(from: number, to: number): Int32Array {
    const key = `${from} ${to}`;
    const places = this.#alignments.get(key) ?? align(this.views[from] as View, this.views[to] as View);
    this.#alignments.set(key, places);
    return places;
  }

  #changed(change: Change): void {
    if (this.#changes.size === 0)
      requestAnimationFrame(() => {
        const changes = new Set(this.#changes);
        this.#changes.clear();
        for (const listener of this.#listeners) listener(changes);
      });
    this.#changes.add(change);
  }
}

function same(a: Focus | undefined, b: Focus | undefined): boolean {
  return a?.result === b?.result && a?.position === b?.position && a?.source === b?.source;
}
