import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { TokenlenseError } from "../errors.js";
import { findAddon } from "./addon.js";
import { binding } from "./binding.js";
import { compile, isCurrent, isVariant } from "./compile.js";
import { ensureLibtorch } from "./fetch.js";
import { type Progress, terminalProgress } from "./progress.js";
import { LIBTORCH_VERSION } from "./versions.js";

// The install script of the package, and `npm run build:native`:
//   node dist/install/main.js [--build | --variant <variant>]
// --build compiles even where a prebuild fits; --variant compiles another kind (compile.ts). Fails, with what to do, where the package
// would not work.

interface Loads {
  addon: string;
  kind: string;
  libtorch: string;
  source: string;
  cpuCapability: string;
}

/** Loads the addon in a process of its own: what is in this one cannot be replaced. */
async function load(addon?: string): Promise<Loads> {
  const env = addon === undefined ? process.env : { ...process.env, TOKENLENSE_ADDON: addon };
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [fileURLToPath(import.meta.url), "--load"], { env });
    return JSON.parse(stdout) as Loads;
  } catch (cause) {
    const text = ((cause as { stderr?: string }).stderr ?? "").trim() || (cause as Error).message;
    throw new TokenlenseError("ERR_TOKENLENSE_ADDON", text, { cause });
  }
}

function printLoaded(): void {
  const { native, addon, libtorch } = binding();
  const info = native.info();
  const loads: Loads = {
    addon: addon.path,
    kind: addon.kind,
    libtorch: libtorch.root,
    source: libtorch.source,
    cpuCapability: info.cpuCapability,
  };
  process.stdout.write(JSON.stringify(loads));
}

async function install(force: boolean, progress: Progress): Promise<void> {
  const libtorch = await ensureLibtorch(progress);
  if (!force) {
    const loads = await ready(progress);
    if (loads) return report(loads, progress);
  }
  await compile(libtorch, "release", progress);
  report(await load(), progress);
}

/** A prebuild or an addon compiled earlier, where it is of these very sources and loads. */
async function ready(progress: Progress): Promise<Loads | undefined> {
  try {
    if (!(await isCurrent(findAddon().path))) return undefined;
    return await load();
  } catch (error) {
    if ((error as TokenlenseError).message.includes("does not load")) progress.line((error as Error).message);
    return undefined;
  }
}

function report(loads: Loads, progress: Progress): void {
  progress.line(
    `ready: libtorch ${LIBTORCH_VERSION} (${loads.source}: ${loads.libtorch}), ${loads.kind} addon, ${loads.cpuCapability}`,
  );
}

async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { build: { type: "boolean" }, variant: { type: "string" }, load: { type: "boolean" } },
  });
  if (values.load) return printLoaded();
  const progress = terminalProgress();
  if (process.env.TOKENLENSE_SKIP_INSTALL) return progress.line("TOKENLENSE_SKIP_INSTALL is set: nothing is installed");
  const { variant } = values;
  if (variant === undefined) return install(values.build ?? false, progress);
  if (!isVariant(variant)) throw new TokenlenseError("ERR_TOKENLENSE_INPUT", `there is no variant ${variant}`);
  progress.line(`compiled ${await compile(await ensureLibtorch(progress), variant, progress)}`);
}

main(process.argv.slice(2)).catch((error: unknown) => {
  const { message, hint, code } = TokenlenseError.from(error);
  process.stderr.write(`tokenlense-native: ${message}\n${hint ? `${hint}\n` : ""}(${code})\n`);
  process.exitCode = 1;
});
