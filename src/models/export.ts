import { access, constants, mkdir, stat } from "node:fs/promises";
import { dirname, isAbsolute, resolve } from "node:path";
import { TokenlenseError } from "../errors.js";
import { writeWhole } from "./cache.js";
import { ARCHIVE_FILES, CONTRACT_VERSION, type Contract } from "./contract.js";
import type { Described, Exporter, ExporterPhase } from "./exporter.js";
import { tokenizerFromFolder } from "./folder.js";
import { openArchive } from "./model.js";
import type { LoadProgress } from "./progress.js";
import { Tokenizer } from "./tokenizer.js";
import type { TokenizerFiles } from "./tokenizer-json.js";

export interface ExportOptions {
  /** A branch, tag or commit on the hub. Default: its main branch. */
  revision?: string | undefined;
  /** Run the Python code that comes with the model. Default false. */
  trustRemoteCode?: boolean | undefined;
  /** That of the exporter. */
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: ExporterPhase | LoadProgress) => void) | undefined;
}

export interface Exported {
  /** The archive. */
  path: string;
  contract: Contract;
  /** How far its logits and its input gradients were from those of transformers at most, as shares of the largest. */
  differences: { logits: number; gradients: number };
}

/** TorchScript methods of the minimal contract. */
const METHODS = ["embed", "hidden", "logits"];

/**
 * Writes a transformers model as an archive with the minimal contract, after it was found to give transformers' logits and gradients
 * on other lengths and batches than it was traced with. A file that was there is replaced at the end, or left as it is.
 *
 * @param source a folder, or a name on the Hugging Face hub.
 * @throws ERR_TOKENLENSE_INPUT or _DISK for `path`; _MODEL, _DOWNLOAD, _FILE for the source; _ARCHITECTURE where it is no causal
 * language model, or its trace is not general; _FORMAT for its tokenizer; _CANCELLED, _MEMORY.
 */
export async function exportModel(
  exporter: Exporter,
  source: string,
  path: string,
  { revision, trustRemoteCode, signal, onProgress }: ExportOptions = {},
): Promise<Exported> {
  const output = resolve(path);
  await checkJob(source, output);
  exporter.send({ model: source, revision, trustRemoteCode });
  const described = await exporter.next(onProgress);
  if (described.event !== "described") throw new Error(`the exporter said "${described.event}" first`);
  let answered = false;
  try {
    const files = await tokenizerFromFolder(described.folder);
    const prepared = describe(described, files);
    requireSameTokens(described, new Tokenizer(files.json, files.config, prepared.contract));
    const write = async (temporary: string): Promise<Exported> => {
      answered = true;
      exporter.send({ output: temporary, ...prepared });
      const done = await exporter.next(onProgress);
      if (done.event !== "done") throw new Error(`the exporter said "${done.event}" in place of "done"`);
      using model = await openArchive(described.name, temporary, { device: "cpu", signal, onProgress });
      return { path: output, contract: model.contract, differences: done.differences };
    };
    return await writeWhole({ path: output, bytes: described.bytes, write, variable: "the archive's path" });
  } catch (error) {
    if (!answered) exporter.send({ skip: true });
    throw error;
  }
}

/** What can be said of a job before Python has started. Errors: {@link exportModel}'s for them. */
export async function checkJob(source: string, path: string): Promise<void> {
  const found = await stat(source).catch(() => undefined);
  if (found && !found.isDirectory()) {
    throw new TokenlenseError("ERR_TOKENLENSE_INPUT", `${source} is a file, and a model to export is a folder.`, {
      hint: "A GGUF file needs no export: it is read as it is.",
    });
  }
  if (!found && (/^[./~]|\\/.test(source) || isAbsolute(source) || source.split("/").length > 2)) {
    throw new TokenlenseError("ERR_TOKENLENSE_FILE", `There is no ${resolve(source)}.`, {
      hint: "Give a model folder, or a name on the Hugging Face hub such as EleutherAI/pythia-70m.",
    });
  }
  if (!path.toLowerCase().endsWith(".pt")) {
    throw new TokenlenseError("ERR_TOKENLENSE_INPUT", `An archive's name ends in .pt, unlike ${path}.`);
  }
  if ((await stat(path).catch(() => undefined))?.isDirectory()) {
    throw new TokenlenseError("ERR_TOKENLENSE_INPUT", `${path} is a folder.`, { hint: "Name a file in it." });
  }
  const folder = dirname(path);
  try {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK);
  } catch (cause) {
    const message = `${folder} cannot be written: ${(cause as Error).message}.`;
    throw new TokenlenseError("ERR_TOKENLENSE_DISK", message, { hint: "Choose a folder that can.", cause });
  }
}

/** The archive's extra files. The source's digest is not known yet: the exporter puts it in once it has read the weights. */
function describe(described: Described, files: TokenizerFiles): { contract: Contract; files: Record<string, string> } {
  const contract: Contract = {
    version: CONTRACT_VERSION,
    family: described.family,
    contract: "minimal",
    ...described.sizes,
    dtype: "float32",
    tokens: files.tokens,
    addBos: files.addBos,
    chatTemplate: files.chatTemplate,
    source: { name: described.name, sha256: "" },
    methods: METHODS,
  };
  return {
    contract,
    files: {
      [ARCHIVE_FILES.tokenizer]: JSON.stringify(files.json),
      [ARCHIVE_FILES.tokenizerConfig]: JSON.stringify(files.config),
    },
  };
}

/** A tokenizer of a kind that this package reads otherwise would have the model see other text than was asked about. */
function requireSameTokens({ samples, name }: Described, tokenizer: Tokenizer): void {
  for (const { text, ids } of samples) {
    const ours = Array.from(tokenizer.encode(text));
    if (ours.join() === ids.join()) continue;
    throw new TokenlenseError(
      "ERR_TOKENLENSE_FORMAT",
      `The tokenizer of ${name} cannot be used: ${JSON.stringify(text)} is ${shown(ids)} in transformers and ${shown(ours)} here.`,
      { hint: "Its kind of tokenizer is not read right by this version. Please report it." },
    );
  }
}

const shown = (ids: number[]): string => `[${ids.slice(0, 12).join(", ")}${ids.length > 12 ? ", …" : ""}]`;
