import { constants, existsSync } from "node:fs";
import { copyFile, stat } from "node:fs/promises";
import { extname, resolve } from "node:path";
import { TokenlenseError } from "../errors.js";
import { formatBytes } from "../install/progress.js";
import { methods } from "../methods/index.js";
import { lacking } from "../methods/method.js";
import { readArchive } from "../models/archive.js";
import { buildArchive, buildSpec, tensorBytes, writeArchive } from "../models/build.js";
import { makeOnce } from "../models/cache.js";
import { type CachedModel, cachedModels, removeModel } from "../models/catalogue.js";
import { ARCHIVE_FILES, type Contract, type Dtype, parseContract } from "../models/contract.js";
import { obtainFromHub } from "../models/hub.js";
import { parseHubSource } from "../models/hub-source.js";
import { type Located, locate } from "../models/locate.js";
import { KNOWN_MODELS, obtain } from "../models/sources.js";
import { columns } from "./columns.js";
import { interruptible } from "./session.js";

interface Flags {
  json?: true;
}

const print = (flags: Flags, value: unknown, lines: string[]): void =>
  void process.stdout.write(flags.json ? `${JSON.stringify(value)}\n` : `${lines.join("\n")}\n`);

/** `tokenlense models list` */
export async function listCommand(flags: Flags): Promise<void> {
  const cached = await cachedModels();
  const known = Object.entries(KNOWN_MODELS).map(([name, model]) => ({
    name,
    bytes: model.bytes,
    cached: cached.some((entry) => entry.name === name && entry.kind !== "hub"),
  }));
  print(flags, { cached, known }, [
    cached.length === 0 ? "Nothing is cached." : "On this machine",
    ...table(cached),
    "",
    "Known by name",
    ...known.map(
      ({ name, bytes, cached: here }) => `  ${name}  ${here ? "cached" : `${formatBytes(bytes)} to download`}`,
    ),
    "",
    "Any other is given as a path, or as owner/name of the Hugging Face hub.",
  ]);
}

function table(models: readonly CachedModel[]): string[] {
  const rows = models.map(({ name, kind, family, bytes, lastUsed, path }) => [
    ...[name, kind, family ?? "?", formatBytes(bytes), lastUsed.slice(0, 10)],
    path,
  ]);
  if (rows.length > 0) rows.unshift(["name", "kind", "family", "size", "last used", "path"]);
  return columns(rows);
}

/** `tokenlense models pull <name>`: downloads, and neither builds nor loads. */
export async function pullCommand(name: string, flags: Flags): Promise<void> {
  const path = await interruptible(async (signal, progress) => {
    const options = { signal, onProgress: progress.update };
    const known = Object.hasOwn(KNOWN_MODELS, name) ? KNOWN_MODELS[name] : undefined;
    if (known) return obtain(name, known, options);
    const source = existsSync(name) ? undefined : parseHubSource(name);
    if (source) return obtainFromHub(source, options);
    throw new TokenlenseError("ERR_TOKENLENSE_INPUT", `"${name}" cannot be downloaded.`, {
      hint: `Give owner/name of the Hugging Face hub, or one of ${Object.keys(KNOWN_MODELS).join(", ")}.`,
    });
  });
  print(flags, { name, path }, [path]);
}

/** `tokenlense models build <source>`: in the cache, or as a file of the user's. */
export async function buildCommand(name: string, flags: Flags & { output?: string; dtype?: Dtype }): Promise<void> {
  const output = flags.output === undefined ? undefined : resolve(flags.output);
  if (output !== undefined && extname(output) !== ".pt")
    throw new TokenlenseError("ERR_TOKENLENSE_INPUT", `--output ${flags.output}: an archive is called something.pt.`);
  if (output !== undefined && existsSync(output)) {
    throw new TokenlenseError("ERR_TOKENLENSE_INPUT", `${output} exists.`, {
      hint: "Remove it first, or choose another --output.",
    });
  }
  const path = await interruptible(async (signal, progress) => {
    const options = { signal, dtype: flags.dtype, onProgress: progress.update };
    const { archive, source } = await locate(name, options);
    if (!source)
      throw new TokenlenseError("ERR_TOKENLENSE_INPUT", `${archive} is an archive: there is nothing to build.`);
    if (output === undefined) {
      if (!existsSync(archive)) await buildArchive(archive, await source(), options);
      return archive;
    }
    const variable = "--output";
    if (!existsSync(archive)) await writeArchive(output, await source(), { ...options, variable });
    else {
      // Shares the blocks where the file system can.
      const write = (temporary: string) => copyFile(archive, temporary, constants.COPYFILE_FICLONE);
      await makeOnce({ path: output, bytes: (await stat(archive)).size, write, variable, ...options });
    }
    return output;
  });
  const { size: bytes } = await stat(path);
  print(flags, { name, path, bytes }, [`${path} (${formatBytes(bytes)})`]);
}

/** `tokenlense models inspect <model>`: what is known of it without libtorch, from its archive or else from its source. */
export async function inspectCommand(name: string, flags: Flags): Promise<void> {
  const found = await interruptible(async (signal, progress) => {
    const located = await locate(name, { signal, onProgress: progress.update, download: false });
    return summary(located);
  });
  const { contract, archive } = found;
  const attribution = Object.values(methods)
    .filter((method) => !lacking(method, contract))
    .map((method) => method.name);
  print(flags, { ...found, attribution }, [
    found.name,
    ...contractRows(contract),
    `  weights     ${formatBytes(found.tensorBytes)} in ${contract.dtype}`,
    `  archive     ${archive ? `${archive.path} (${formatBytes(archive.bytes)})` : "not built yet"}`,
    `  source      ${contract.source.name}${contract.source.file ? `, ${contract.source.file}` : ""}`,
    `              SHA-256 ${contract.source.sha256}`,
    `  methods     ${attribution.join(", ")}`,
  ]);
}

async function summary({ name, archive, source }: Located) {
  if (existsSync(archive) || !source) {
    const bytes = (await stat(archive)).size;
    return { name, archive: { path: archive, bytes }, ...(await readArchive(archive)) };
  }
  const spec = await buildSpec(await source());
  const contract = parseContract(String(spec.files[ARCHIVE_FILES.contract]), archive);
  return { name, archive: null, contract, tensorBytes: tensorBytes(spec) };
}

function contractRows(contract: Contract): string[] {
  const { layers, heads, kvHeads, headDim, width, hidden, vocabulary, context, tokens, addBos } = contract;
  const named = Object.entries({ bos: tokens.bos, eos: tokens.eos.join(", "), pad: tokens.pad, unk: tokens.unk });
  const ids = named.filter(([, id]) => id !== null && id !== undefined && id !== "").map(([of, id]) => `${of} ${id}`);
  return [
    `  family      ${contract.family} (${contract.contract})`,
    `  layers      ${layers}, of width ${width} (${hidden} inside the MLP)`,
    `  heads       ${heads} of ${headDim}${kvHeads === heads ? "" : `, ${kvHeads} of keys and values`}`,
    `  vocabulary  ${vocabulary}`,
    `  context     ${context} tokens`,
    `  tokens      ${ids.join("; ")}${addBos ? "; bos is put first" : ""}`,
    `  chat        ${contract.chatTemplate ? "has a template" : "no template"}`,
  ];
}

/** `tokenlense models remove <name>` */
export async function removeCommand(name: string, flags: Flags & { hub?: true; dryRun?: true }): Promise<void> {
  const dryRun = flags.dryRun === true;
  const removed = await removeModel(name, { hub: flags.hub === true, dryRun });
  const bytes = removed.reduce((sum, model) => sum + model.bytes, 0);
  print(flags, { removed, bytes, dryRun }, [
    dryRun ? "Would be removed" : "Removed",
    ...removed.map((model) => `  ${model.path} (${formatBytes(model.bytes)})`),
    `${formatBytes(bytes)} ${dryRun ? "would be freed" : "freed"}.`,
  ]);
}
