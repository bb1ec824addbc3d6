import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { byteTokenizer, writeWeights } from "../models/folder-writer.js";

interface StoredModel {
  config: { vocab_size: number; [setting: string]: unknown };
  tensors: Record<string, { shape: number[]; data: string }>;
}

/**
 * The small random GPT-2 of tests/goldens/gpt2.py as a Hugging Face folder. Its goldens are of token ids; the tokenizer
 * is only there because a model must have one.
 */
export function writeSmallGpt2(folder: string): string {
  const stored = JSON.parse(readFileSync(new URL("methods-gpt2.json", import.meta.url), "utf8")) as StoredModel;
  mkdirSync(folder, { recursive: true });
  writeWeights(
    folder,
    Object.entries(stored.tensors).map(([name, { shape, data }]) => ({
      name,
      shape,
      dtype: "F32",
      bytes: Buffer.from(data, "base64"),
    })),
  );
  const json = (name: string, value: unknown) => writeFileSync(join(folder, name), JSON.stringify(value));
  json("config.json", stored.config);
  json("generation_config.json", { bos_token_id: 1, eos_token_id: 1, pad_token_id: 2 });
  // Printable ASCII, a space and a line end: 96 tokens.
  const symbols = [...Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i)), "Ġ", "Ċ"];
  json("tokenizer.json", byteTokenizer(symbols));
  json("tokenizer_config.json", { tokenizer_class: "GPT2Tokenizer", unk_token: symbols[0], eos_token: symbols[1] });
  return folder;
}
