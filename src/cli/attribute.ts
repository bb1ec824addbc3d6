import type { AttributeOptions } from "../attribute.js";
import { TokenlenseError } from "../errors.js";
import type { StepChoice } from "../steps/index.js";
import { type ModelFlags, promptText, withModel } from "./session.js";

/** What is attributed, and how, as commander gives it. */
export interface MethodFlags {
  method: NonNullable<AttributeOptions["method"]>;
  option: Record<string, unknown>;
  step?: StepChoice;
  stepScore: StepChoice[];
  aggregate?: NonNullable<AttributeOptions["aggregate"]>;
  memoryBudget?: number;
}

export interface AttributeFlags extends ModelFlags, MethodFlags {
  target?: string;
  contrast?: string;
  contrastPrompt?: string;
  output: string;
  save: boolean;
  picture?: string;
}

/** `tokenlense attribute`: stores the attribution and prints it. */
export async function attributeCommand(argument: string, flags: AttributeFlags): Promise<void> {
  const { contrastPrompt: contrastStart, contrast: alternative } = flags;
  if (contrastStart !== undefined && alternative === undefined)
    throw new TokenlenseError("ERR_TOKENLENSE_INPUT", "--contrast-prompt goes with --contrast.");
  const contrast =
    contrastStart === undefined || alternative === undefined
      ? alternative
      : { prompt: contrastStart, target: alternative };
  const choice = { ...choiceOf(flags), contrast };
  // A misspelt name should not have to wait for the model.
  const { resolveChoice } = await import("../methods/choice.js");
  resolveChoice(choice);
  if (flags.picture !== undefined) (await import("../viz/save.js")).pictureFormat(flags.picture);

  const prompt = await promptText(argument);
  const { temperature, topK, topP, seed } = flags;
  const result = await withModel(flags, async (model, signal, progress) => {
    const { attribute } = await import("../attribute.js");
    return attribute({
      model,
      prompt,
      target: flags.target,
      maxNewTokens: flags.maxNewTokens,
      generation: { temperature, topK, topP, seed },
      ...choice,
      memoryBudget: flags.memoryBudget,
      chat: flags.chat,
      system: flags.system,
      signal,
      onProgress: progress.update,
    });
  });
  const { save } = await import("../storage/results.js");
  const { toJsonText } = await import("../storage/json.js");
  let file: string | undefined;
  let picture: string | undefined;
  let failure: unknown;
  try {
    if (flags.save) file = await save(result, flags.output);
    if (flags.picture !== undefined)
      picture = await (await import("../viz/save.js")).savePicture([result], flags.picture);
  } catch (error) {
    failure = error; // the result is shown first: it may be all that is left of a long run
  }
  if (flags.json)
    process.stdout.write(`${toJsonText({ ...result.toJSON(), ...(file && { file }), ...(picture && { picture }) })}\n`);
  else {
    const { render } = await import("../viz/terminal.js");
    process.stdout.write(
      `${render(result, process.stdout)}\n${file ? `\nStored in ${file}\n` : ""}${picture ? `Drawn in ${picture}\n` : ""}`,
    );
  }
  if (failure !== undefined) throw failure;
}

/** The flags as `attribute` names them. */
export function choiceOf({ method, option, aggregate, step, stepScore }: MethodFlags) {
  return { method, options: option, aggregate, step, stepScores: stepScore.length > 0 ? stepScore : undefined };
}
