import { Chalk } from "chalk";
import { type DoctorReport, doctor } from "../install/doctor.js";
import { formatBytes } from "../install/progress.js";
import { colourLevel } from "../viz/colour.js";
import { exitCodes } from "./failure.js";
import { interruptible } from "./session.js";

/** `tokenlense doctor`: what was found on this machine; exit code 1 where something is missing. */
export async function doctorCommand(flags: { json?: true }): Promise<void> {
  const report = await interruptible((signal, progress) =>
    doctor({ gemm: true, signal, onProgress: (done, total) => progress.update({ phase: "measure", done, total }) }),
  );
  process.stdout.write(flags.json ? `${JSON.stringify(report)}\n` : text(report));
  if (report.problems.some(({ code }) => code !== undefined)) process.exitCode = exitCodes.failed;
}

function text(report: DoctorReport): string {
  const { platform, node, libtorch, addon, info, gemm, cache, problems } = report;
  const chalk = new Chalk({ level: colourLevel(process.stdout, process.env) });
  const found = libtorch.found;
  const rows: [name: string, value: string | undefined][] = [
    ["package", `${report.package.version} (${report.package.root})`],
    ["node", `${node.version} (${node.executable})`],
    ["system", `${platform.os} ${platform.release} ${platform.arch} ${platform.libc}`.trim()],
    ["processor", `${platform.cpu}, ${platform.cores} cores, ${formatBytes(platform.memoryBytes)} of memory`],
    [
      "libtorch",
      found ? `${found.version ?? "?"} (${found.source}: ${found.root})` : `none; ${libtorch.needed} is needed`,
    ],
    ...libtorch.passedOver.map((reason): [string, string] => ["", `passed over: ${reason}`]),
    ["addon", addon ? `${addon.kind} (${addon.path})` : "none"],
    ["compiler", info?.compiler],
    ["capability", info && `${info.cpuCapability}, ${info.threads} threads`],
    ["devices", info?.devices.join(", ")],
    [
      "external buffers",
      info && (info.externalBuffers ? "yes: results share native memory" : "no: results are copied"),
    ],
    ["build flags", info && buildFlags(info.buildFlags)],
    ["cache", `${cache.directory}, ${formatBytes(cache.bytes)}`],
    ...cache.kinds.map(({ name, bytes, files }): [string, string] => [
      "",
      `${name}: ${formatBytes(bytes)}, ${files} files`,
    ]),
  ];
  const lines = rows.flatMap(([name, value]) =>
    (value ?? "")
      .split("\n")
      .filter(Boolean)
      .map((line, i) => `${chalk.bold((i === 0 ? name : "").padEnd(18))}${line}`),
  );
  if (gemm) lines.push("", chalk.bold("matrix products, GFLOP/s of each path"), ...gemm.map(gemmLine));
  for (const { code, what, hint } of problems)
    lines.push(
      "",
      `${code === undefined ? chalk.yellow("warning") : chalk.red("problem")}  ${what}${code ? ` (${code})` : ""}`,
      `         ${hint}`,
    );
  if (problems.length === 0) lines.push("", chalk.green("Everything works."));
  return `${lines.join("\n")}\n`;
}

/** libtorch's own list, without the compiler's command line, which fills a screen. */
function buildFlags(text: string): string {
  const flags = [...text.matchAll(/^ *- (.*)$/gm)].map(([, flag = ""]) => flag.trim());
  const shown = flags.filter((flag) => !flag.startsWith("Build settings"));
  return [...shown, "(--json has the compiler's settings too)"].join("\n");
}

function gemmLine({ shape, chosen, paths }: NonNullable<DoctorReport["gemm"]>[number]): string {
  const speeds = Object.entries(paths).map(
    ([path, speed]) => `${path} ${speed.toFixed(0)}${path === chosen ? " ←" : ""}`,
  );
  return `  ${shape}: ${speeds.join(", ")}`;
}
