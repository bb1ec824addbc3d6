import { shortName } from "../../../../src/bench/drawing.js";
import type { Mark } from "../../../../src/bench/marks.js";
import type { TimingResults } from "../../api/performance.js";

export const STORED = "Stored results";

/** What is known of the times of stored results, as a run of its own. */
export function storedMarks({ prompt_timing: prompts }: TimingResults): Mark[] {
  return prompts.flatMap(({ model, method, tokens, time }) =>
    tokens && time
      ? [{ run: STORED, model: shortName(model), method, seconds: time, perToken: (1000 * time) / tokens }]
      : [],
  );
}
