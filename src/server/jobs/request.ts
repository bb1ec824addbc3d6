import { z } from "zod";
import { attributeSchema } from "../../attribute.js";
import { contrastSchema } from "../../contrast.js";
import { TokenlenseError } from "../../errors.js";
import { resolveChoice } from "../../methods/choice.js";
import { stepChoice } from "../../options.js";
import type { ServerSettings } from "../options.js";

/** Of a method's numbers of steps, samples and the like. */
const MOST_STEPS = 10_000;

/** A client names step functions of the server's; it does not bring TorchScript. */
const step = stepChoice.refine(
  (choice) => typeof choice === "string" || !("source" in choice || "score" in choice),
  "expected the name of a step function, and its options",
);

const [text, texts] = contrastSchema.options;

/** `attribute`'s options as JSON has them: the model by its name, no token ids, and working memory is the server's to give. */
export const attributionRequest = attributeSchema
  .omit({ promptIds: true, targetIds: true, signal: true, memoryBudget: true, onProgress: true })
  .extend({
    model: z.string().min(1).describe("as GET /models/loadable lists them"),
    options: z
      .record(z.string(), z.unknown())
      .default({})
      .refine(fewSteps, `expected no whole number above ${MOST_STEPS}, but for a seed`)
      .describe("of the method, as GET /methods lists them"),
    step: step.optional(),
    stepScores: z.array(step).max(32).default(["probability"]),
    contrast: z.union([text, texts]).optional(),
  });

export type AttributionRequest = z.output<typeof attributionRequest>;

function fewSteps(options: Record<string, unknown>): boolean {
  return Object.entries(options).every(
    ([name, value]) => name === "seed" || typeof value !== "number" || Math.abs(value) <= MOST_STEPS,
  );
}

/**
 * What can be wrong with a request and be found without its model.
 * @throws ERR_TOKENLENSE_INPUT, ERR_TOKENLENSE_PROMPT.
 */
export function checkRequest(request: AttributionRequest, { limits }: ServerSettings): void {
  resolveChoice(request);
  const { prompt, messages, system, target, contrast } = request;
  if (prompt === undefined && messages === undefined)
    throw new TokenlenseError("ERR_TOKENLENSE_INPUT", "There is no prompt.", { hint: "Give prompt, or messages." });
  if (prompt === "") throw new TokenlenseError("ERR_TOKENLENSE_PROMPT", "The prompt is empty.");
  const all = [
    prompt,
    system,
    target,
    JSON.stringify(contrast ?? ""),
    ...(messages ?? []).map(({ content }) => content),
  ];
  const characters = all.reduce((sum, part = "") => sum + part.length, 0);
  if (characters > limits.prompt)
    throw new TokenlenseError(
      "ERR_TOKENLENSE_INPUT",
      `The texts have ${characters} characters; ${limits.prompt} are taken.`,
    );
}
