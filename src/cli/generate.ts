import { type ModelFlags, promptText, withModel } from "./session.js";

/** `tokenlense generate`: prints the continuation. */
export async function generateCommand(argument: string, flags: ModelFlags): Promise<void> {
  const prompt = await promptText(argument);
  const { maxNewTokens, temperature, topK, topP, seed, chat, system } = flags;
  const { ids, text, parameters } = await withModel(flags, async (model, signal, progress) => {
    const { generate } = await import("../generate.js");
    return generate({
      ...{ model, prompt, maxNewTokens, temperature, topK, topP, seed, chat, system, signal },
      onProgress: progress.update,
    });
  });
  process.stdout.write(flags.json ? `${JSON.stringify({ prompt, text, ids: [...ids], parameters })}\n` : `${text}\n`);
}
