import { createRequire } from "node:module";
import { join } from "node:path";
import { TokenlenseError } from "../errors.js";
import type { Native } from "../native.js";
import { type Addon, findAddon } from "./addon.js";
import { type Libtorch, libraryName } from "./layout.js";
import { findLibtorch, libtorchError } from "./libtorch.js";
import { LIBTORCH_VERSION } from "./versions.js";

/** What is loaded, and from where. */
export interface Binding {
  native: Native;
  addon: Addon;
  libtorch: Libtorch;
  /** Accelerator libraries that would not load, with the reason: computing goes on without them. */
  warnings: string[];
}

const require = createRequire(import.meta.url);
let loaded: Binding | undefined;

/**
 * The C++ addon, loaded with its libtorch at the first call; later calls return the same. Each worker thread calls it for itself.
 * @throws ERR_TOKENLENSE_LIBTORCH, ERR_TOKENLENSE_ADDON
 */
export function native(): Native {
  return binding().native;
}

/** `native()` with what it was loaded from. */
export function binding(): Binding {
  loaded ??= load();
  return loaded;
}

function load(): Binding {
  const addon = findAddon();
  const { found: libtorch, tried } = findLibtorch();
  if (libtorch === undefined) throw libtorchError(tried);

  const loader = open<{ load(path: string): void }>(addon.loader, "the loader");
  const openLibrary = (name: string) => loader.load(join(libtorch.lib, libraryName(name)));
  try {
    openLibrary("c10");
    openLibrary("torch_cpu");
  } catch (cause) {
    const message = `libtorch in ${libtorch.lib} does not load: ${(cause as Error).message}`;
    throw new TokenlenseError("ERR_TOKENLENSE_LIBTORCH", message, {
      hint: "The message names the library or symbol that is missing. `tokenlense doctor` shows which libtorch is used and why; LIBTORCH chooses another.",
      cause,
    });
  }
  const warnings: string[] = [];
  for (const accelerator of libtorch.accelerators)
    try {
      openLibrary(`c10_${accelerator}`);
      openLibrary(`torch_${accelerator}`);
    } catch (cause) {
      warnings.push(`${accelerator} is left out: ${(cause as Error).message}`);
    }

  // Opened once more by the loader, which never closes: Node closes an addon when the worker that loaded it ends, and libtorch still
  // holds pointers into it (its operators, its threads).
  const native = open<Native>(addon.path, "the addon", () => loader.load(addon.path));
  if (libtorch.version === undefined) checkVersion(native, libtorch);
  return { native, addon, libtorch, warnings };
}

function open<T>(path: string, what: string, before?: () => void): T {
  try {
    before?.();
    return require(path) as T;
  } catch (cause) {
    throw new TokenlenseError("ERR_TOKENLENSE_ADDON", `${what} does not load: ${(cause as Error).message}`, {
      hint: `Compile it on this machine against libtorch ${LIBTORCH_VERSION}: \`npm rebuild tokenlense-native\` (in a clone: \`npm run build:native\`).`,
      cause,
    });
  }
}

/** Only for a libtorch whose files do not tell. */
function checkVersion(native: Native, libtorch: Libtorch): void {
  // What the library was built as, in its own word; info().libtorch is what the addon was compiled against.
  const version = native.info().buildFlags.match(/TORCH_VERSION=([\w.+]+)/)?.[1];
  if (version?.split("+")[0] !== LIBTORCH_VERSION)
    throw new TokenlenseError(
      "ERR_TOKENLENSE_LIBTORCH",
      `libtorch in ${libtorch.lib} is ${version ?? "of unknown version"}, but ${LIBTORCH_VERSION} is needed`,
      { hint: "Point LIBTORCH at a libtorch of that version, or unset it." },
    );
  libtorch.version = version;
}
