import { useSearchParams } from "react-router";
import type { Part, Unit } from "../../api/importance.js";
import type { Choice } from "./controls.js";
import { isFigure } from "./figures.js";

const initial: Choice = {
  ...{ text: "", model: "", method: "", part: "prompt", unit: "token" },
  ...{ by: "total", token: "", least: 1, words: false },
};

/** The choice that the address tells. */
export function useChoice(): [Choice, (changes: Partial<Choice>) => void] {
  const [query, setQuery] = useSearchParams();
  const change = (changes: Partial<Choice>) =>
    setQuery(
      (before) => {
        const after = new URLSearchParams(before);
        for (const [key, value] of Object.entries(changes))
          if (value === initial[key as keyof Choice]) after.delete(key);
          else after.set(key, String(value));
        return after;
      },
      { replace: true, preventScrollReset: true },
    );
  return [read(query), change];
}

function read(query: URLSearchParams): Choice {
  const text = (key: keyof Choice) => query.get(key) ?? "";
  const one = <Value extends string>(key: keyof Choice, values: readonly Value[], other: Value) =>
    values.find((value) => value === query.get(key)) ?? other;
  const by = text("by");
  return {
    ...{ text: text("text"), model: text("model"), method: text("method"), token: text("token") },
    part: one<Part>("part", ["prompt", "target", "all"], "prompt"),
    unit: one<Unit>("unit", ["token", "word"], "token"),
    by: isFigure(by) ? by : initial.by,
    least: Math.max(1, Math.floor(Number(query.get("least")) || 1)),
    words: query.get("words") === "true",
  };
}
