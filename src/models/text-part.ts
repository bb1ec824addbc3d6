import type { MetadataValue } from "./checkpoint.js";

/** Models of texts and pictures, and the architecture that their text model is of by itself. */
const TEXT_MODELS: Readonly<Record<string, string>> = { Gemma3ForConditionalGeneration: "Gemma3ForCausalLM" };

type Settings = Record<string, MetadataValue>;

/** The settings of a config.json that are the text model's: all, or `text_config` where the model sees pictures too. */
export function textSettings(config: Settings): { settings: Settings; part: boolean } {
  const listed = config.architectures;
  const architecture = Array.isArray(listed) ? TEXT_MODELS[String(listed[0])] : undefined;
  const own = config.text_config as unknown as Settings | undefined;
  if (!architecture || typeof own !== "object" || own === null) return { settings: config, part: false };
  return { settings: { ...own, architectures: [architecture] }, part: true };
}

/** A tensor's name in the text model by itself; undefined for one of the other parts. */
export function textTensor(name: string): string | undefined {
  if (name === "lm_head.weight") return name;
  const [, model, rest] = /^(?:(language_model\.)|model\.language_model\.)(.+)$/.exec(name) ?? [];
  if (rest === undefined) return undefined;
  return model ? rest : `model.${rest}`;
}
