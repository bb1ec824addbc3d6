import { createHash } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { native } from "../install/binding.js";
import { packageVersion } from "../install/package.js";
import type { BuildSpec } from "../native.js";
import { run } from "../task.js";
import { makeOnce, modelCache } from "./cache.js";
import type { Checkpoint } from "./checkpoint.js";
import { ARCHIVE_FILES, CONTRACT_VERSION, type Contract, contractSchema, type Dtype } from "./contract.js";
import { FAMILIES, familyOf, familySource, moduleSpec } from "./families/index.js";
import type { LoadOptions } from "./progress.js";
import { Tokenizer } from "./tokenizer.js";
import type { TokenizerFiles } from "./tokenizer-json.js";

/**
 * Where in the cache the archive of a source belongs: `<name>-<source>-<recipe>.pt`, with the dtype before the recipe where that is not float32, the recipe being a digest of all that
 * an archive is built by, so that a newer package builds anew.
 */
export function archivePath(name: string, sourceSha256: string, dtype: Dtype = "float32"): string {
  const recipe = [packageVersion(), CONTRACT_VERSION, ...FAMILIES.map((family) => familySource(family).source)];
  const digest = createHash("sha256").update(JSON.stringify(recipe)).digest("hex");
  const kind = dtype === "float32" ? "" : `-${dtype}`;
  return join(modelCache(), `${fileName(name)}-${sourceSha256.slice(0, 12)}${kind}-${digest.slice(0, 8)}.pt`);
}

/** A model's name as its files in the cache begin. */
export const fileName = (name: string): string => name.replace(/[^\w.-]+/g, "_");

/** Archives of the same source by an older recipe: half a gigabyte each that nothing would use again. */
async function removeOutdated(path: string): Promise<void> {
  const source = basename(path).replace(/[0-9a-f]{8}\.pt$/, "");
  const names = await readdir(dirname(path));
  const outdated = names.filter((name) => {
    return name.startsWith(source) && /^[0-9a-f]{8}\.pt$/.test(name.slice(source.length)) && name !== basename(path);
  });
  await Promise.all(outdated.map((name) => rm(join(dirname(path), name), { force: true }).catch(() => {})));
}

/** A checkpoint with all that goes into its archive. */
export interface Source {
  name: string;
  sha256: string;
  /** Of the archive's weight matrices. Default float32. */
  dtype?: Dtype | undefined;
  checkpoint: Checkpoint;
  /** Called with the size of the vocabulary. */
  tokenizer(vocabulary: number): Promise<TokenizerFiles> | TokenizerFiles;
}

/**
 * What the addon needs to build an archive.
 * @throws ERR_TOKENLENSE_ARCHITECTURE, ERR_TOKENLENSE_FORMAT as {@link familyOf}, {@link moduleSpec}, {@link Tokenizer}.
 */
export async function buildSpec({
  name,
  sha256,
  dtype = "float32",
  checkpoint,
  tokenizer,
}: Source): Promise<Omit<BuildSpec, "output">> {
  const family = familyOf(checkpoint);
  const blueprint = family.blueprint(checkpoint);
  const spec = moduleSpec(checkpoint, blueprint, dtype);
  const files = await tokenizer(blueprint.sizes.vocabulary);
  const { source, methods } = familySource(family);
  const contract: Contract = {
    version: CONTRACT_VERSION,
    family: family.name,
    contract: "layered",
    ...blueprint.sizes,
    dtype,
    tokens: files.tokens,
    addBos: files.addBos,
    chatTemplate: files.chatTemplate,
    source: { name, file: basename(checkpoint.path), sha256 },
    methods,
  };
  contractSchema.parse(contract);
  // A tokenizer that cannot be used is to be known before gigabytes are written.
  new Tokenizer(files.json, files.config, contract);
  return {
    source,
    ...spec,
    files: {
      [ARCHIVE_FILES.contract]: JSON.stringify(contract),
      [ARCHIVE_FILES.tokenizer]: JSON.stringify(files.json),
      [ARCHIVE_FILES.tokenizerConfig]: JSON.stringify(files.config),
    },
  };
}

/** Builds an archive at `path` in the cache, once for all processes. Errors: {@link writeArchive}'s. */
export async function buildArchive(path: string, source: Source, options: LoadOptions): Promise<void> {
  await writeArchive(path, source, options);
  await removeOutdated(path);
}

/**
 * Builds an archive at `path`, unless it is there. Errors: {@link buildSpec}'s, {@link makeOnce}'s.
 * @param options.variable see {@link makeOnce}.
 */
export async function writeArchive(
  path: string,
  source: Source,
  options: LoadOptions & { variable?: string },
): Promise<void> {
  const spec = await buildSpec(source);
  const { onProgress } = options;
  const progress =
    onProgress && ((done: number, total: number) => onProgress({ phase: "build", done, total, unit: "steps" }));
  await makeOnce({
    path,
    bytes: archiveBytes(spec),
    write: (temporary) => run(native().buildArchive({ ...spec, output: temporary }, progress), options.signal),
    ...options,
  });
}

/** Of the archive: tensors, extra files, and some room for the graph and the zip's directory. */
function archiveBytes(spec: Omit<BuildSpec, "output">): number {
  return (
    tensorBytes(spec) + Object.values(spec.files).reduce((sum, file) => sum + Buffer.byteLength(file), 0) + 2 ** 20
  );
}

/** Of float32 weights, tables and rotary tables, in an archive as in memory. */
export function tensorBytes({ weights, tables, rotary, integers }: Omit<BuildSpec, "output">): number {
  const bytes = ({ shape, dtype = "float32" }: { shape: number[]; dtype?: Dtype }) =>
    shape.reduce((product, n) => product * n, dtype === "float32" ? 4 : 2);
  const positions = rotary.reduce((sum, { dimensions }) => sum + 4 * dimensions * (integers.context ?? 0), 0);
  return [...weights, ...tables].reduce((sum, buffer) => sum + bytes(buffer), positions);
}
