import { basename, join } from "node:path";
import { lilconfigSync } from "lilconfig";
import { TokenlenseError } from "../../errors.js";
import { configDirectory } from "../../install/paths.js";

/** What is under "tokenlense" in a package.json, or in a file of its own. */
export interface ConfigFile {
  path: string;
  kind: "project" | "user" | "flag";
  content: Record<string, unknown>;
}

/** Where a project's configuration is looked for, in each folder from the working one upwards, to the user's own. */
export const projectFiles = ["tokenlense.config.json", ".tokenlenserc", "package.json"];
export const userFile = () => join(configDirectory(), "config.json");

/**
 * The files in force, the strongest first: the one that was chosen, else the project's; then the user's.
 * @throws ERR_TOKENLENSE_INPUT for a file that is no JSON object; ERR_TOKENLENSE_FILE for one that cannot be read.
 */
export function configFiles(chosen: string | undefined): ConfigFile[] {
  const searcher = lilconfigSync("tokenlense", {
    searchPlaces: projectFiles,
    loaders: { ".json": parse, noExt: parse },
  });
  const found =
    chosen === undefined
      ? reading("the configuration", () => searcher.search())
      : reading(chosen, () => searcher.load(chosen));
  const own = reading(userFile(), () => searcher.load(userFile()), true);
  return [
    ...(found ? [toFile(found.filepath, chosen === undefined ? "project" : "flag", found.config)] : []),
    ...(own ? [toFile(own.filepath, "user", own.config)] : []),
  ];
}

function parse(path: string, text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (cause) {
    // Of any project above: whether it is well-formed is not for us to say.
    if (basename(path) === "package.json") return {};
    throw new TokenlenseError("ERR_TOKENLENSE_INPUT", `${path} is no JSON: ${(cause as Error).message}.`, { cause });
  }
}

function reading<T>(path: string, work: () => T, optional = false): T | undefined {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof TokenlenseError) throw cause;
    if (optional && ["ENOENT", "ENOTDIR"].includes((cause as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw new TokenlenseError("ERR_TOKENLENSE_FILE", `${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

function toFile(path: string, kind: ConfigFile["kind"], config: unknown): ConfigFile {
  const content = config ?? {}; // an empty file
  if (isSection(content)) return { path, kind, content };
  throw new TokenlenseError("ERR_TOKENLENSE_INPUT", `${path}: expected an object of options.`);
}

/** A JSON object, which is no list. */
export function isSection(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
