import type { ContextAttribution } from "../context.js";
import { TokenlenseError } from "../errors.js";
import type { MethodName } from "../methods/index.js";
import type { StepChoice } from "../steps/index.js";
import { visible } from "../viz/text.js";
import { type ModelFlags, promptText, withModel } from "./session.js";

export interface ContextFlags extends ModelFlags {
  context: string;
  template: string;
  continuation?: string;
  method: MethodName;
  option: Record<string, unknown>;
  sensitivity: StepChoice;
  sensitivityThreshold: number;
  cueThreshold: number;
  memoryBudget?: number;
}

/** `tokenlense attribute-context` */
export async function attributeContextCommand(argument: string, flags: ContextFlags): Promise<void> {
  if (flags.chat)
    throw new TokenlenseError("ERR_TOKENLENSE_INPUT", "--chat: a context is put before the text by --template.");
  const [{ resolveChoice }, { resolveStep }] = await Promise.all([
    import("../methods/choice.js"),
    import("../steps/index.js"),
  ]);
  resolveChoice({ method: flags.method, options: flags.option });
  resolveStep(flags.sensitivity);
  const prompt = await promptText(argument);
  const { context, template, sensitivity, sensitivityThreshold, cueThreshold, temperature, topK, topP, seed } = flags;
  const result = await withModel(flags, async (model, signal, progress) => {
    const { attributeContext } = await import("../context.js");
    return attributeContext({
      ...{ model, context, prompt, template, sensitivity, sensitivityThreshold, cueThreshold, signal },
      output: flags.continuation,
      maxNewTokens: flags.maxNewTokens,
      generation: { temperature, topK, topP, seed },
      method: flags.method,
      options: flags.option,
      memoryBudget: flags.memoryBudget,
      onProgress: progress.update,
    });
  });
  process.stdout.write(flags.json ? `${JSON.stringify(toJson(result))}\n` : `${lines(result).join("\n")}\n`);
}

function toJson(result: ContextAttribution) {
  return {
    ...result,
    sensitivity: Array.from(result.sensitivity),
    sensitive: result.sensitive.map((output) => ({ ...output, scores: Array.from(output.scores) })),
  };
}

function lines({ outputs, sensitivity, threshold, sensitive }: ContextAttribution): string[] {
  const quoted = (text: string) => `"${visible(text)}"`;
  return [
    "How much the context changed each output",
    ...outputs.map(({ text }, i) => {
      const value = sensitivity[i] as number;
      return `  ${value.toExponential(2).padStart(9)} ${value >= threshold ? "*" : " "} ${quoted(text)}`;
    }),
    "",
    sensitive.length === 0
      ? "No output stands out."
      : `What stands out (from ${threshold.toExponential(2)} on), and the context's tokens that did it`,
    ...sensitive.flatMap(({ token, alternative, cues }) => [
      `  ${quoted(token.text)} (without the context: ${quoted(alternative.text)})`,
      ...cues.map((cue) => `    ${cue.score.toExponential(2).padStart(9)}   ${quoted(cue.token.text)}`),
    ]),
  ];
}
