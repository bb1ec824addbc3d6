import type { z } from "zod";
import type { Part, tokenImportanceList, Unit } from "../../../src/server/importance/schemas.js";
import { requestJson } from "./request.js";

export type { Part, Unit };
export type ImportanceList = z.output<typeof tokenImportanceList>;
export type ImportantToken = ImportanceList["items"][number];

export interface ImportanceQuery {
  /** A part of the model's name. */
  model?: string | undefined;
  method?: string | undefined;
  /** A part of the prompt. */
  text?: string | undefined;
  part: Part;
  unit: Unit;
}

/** Which tokens matter over stored results, the largest total first. */
export const importanceOf = (query: ImportanceQuery, signal?: AbortSignal): Promise<ImportanceList> =>
  requestJson("/results/importance", { query: { ...query }, signal });
