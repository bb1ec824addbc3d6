import { mergeSpans } from "../aggregation/spans.js";
import { subwordSpans } from "../aggregation/subwords.js";
import type { Token } from "../result.js";
import { textOf } from "../storage/token-text.js";
import type { View } from "./view.js";

/** A result by what is shown of it, tokens or words. */
export interface Units {
  readonly view: View;
  /** The token that each begins with, and the number of tokens after the last. */
  readonly starts: readonly number[];
}

export function tokenUnits(view: View): Units {
  return { view, starts: Array.from({ length: view.texts.length + 1 }, (_, position) => position) };
}

/** Words as `aggregate("subwords")` makes them; of a tokenizer that marks none they are the tokens. */
export function wordUnits(view: View): Units {
  const tokens = tokensOf(view);
  const spans = subwordSpans(tokens);
  const { texts, outputs, promptLength, scores } = view;
  const merged = mergeSpans(
    {
      tokens,
      promptLength,
      scores,
      shape: [texts.length, outputs],
      convergenceDeltas: undefined,
      pathSteps: undefined,
      stepScores: Object.fromEntries(
        Object.entries(view.stepScores).map(([name, values]) => [name, Float32Array.from(values)]),
      ),
    },
    spans,
  );
  const within = new Set(
    spans.flatMap(([start, end]) => Array.from({ length: end - start - 1 }, (_, i) => start + 1 + i)),
  );
  return {
    view: {
      document: view.document,
      texts: merged.tokens.map(({ text }) => text),
      promptLength: merged.promptLength,
      outputs: merged.shape[1] as number,
      scores: merged.scores,
      stepScores: merged.stepScores,
    },
    starts: tokenUnits(view).starts.filter((position) => !within.has(position)),
  };
}

/** Whether any of its words is more than a token. */
export const hasWords = (view: View): boolean => subwordSpans(tokensOf(view)).length > 0;

function tokensOf({ document, promptLength }: View): Token[] {
  const { input_tokens: input, output_tokens: output } = document.data;
  return [...input, ...output].map((entry, position) => ({
    token: entry.token,
    text: textOf(entry),
    id: entry.token_id,
    role: position < promptLength ? "prompt" : "target",
    start: entry.start ?? 0,
    end: entry.end ?? 0,
  }));
}
