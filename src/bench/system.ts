import si from "systeminformation";
import { TokenlenseError } from "../errors.js";
import { gemmLimit } from "../install/gemm.js";
import { packageVersion } from "../install/package.js";
import { Isolated, type StartWorker } from "./isolated.js";
import type { System } from "./schema.js";

/**
 * The machine, and how fast it multiplies matrices; some seconds.
 * @throws ERR_TOKENLENSE_CANCELLED, and what kept libtorch from being loaded.
 */
export async function describeSystem(signal?: AbortSignal, start?: StartWorker): Promise<System> {
  // A process of its own: this one stays without libtorch, however many models crash.
  using engine = new Isolated(start);
  const [answer, cpu, os, memory, graphics] = await Promise.all([
    engine.ask("engine", undefined, { signal }),
    si.cpu(),
    si.osInfo(),
    si.mem(),
    si.graphics(),
  ]);
  if (answer.status !== "ok") {
    const { code, message, hint } = answer.error;
    throw new TokenlenseError(code, message, { hint });
  }
  const { info, gemm } = answer.value;
  return {
    host: os.hostname,
    os: `${os.distro} ${os.release}, ${os.platform} ${os.kernel} ${os.arch}`,
    cpu: `${cpu.manufacturer} ${cpu.brand}`.trim(),
    physicalCores: cpu.physicalCores,
    cores: cpu.cores,
    memoryBytes: memory.total,
    gpus: graphics.controllers
      .filter(({ model }) => model !== "")
      .map(({ model, memoryTotal }) => ({ model, ...(memoryTotal && { memoryBytes: memoryTotal * 2 ** 20 }) })),
    versions: {
      "tokenlense-native": packageVersion(),
      libtorch: info.libtorch,
      node: process.versions.node,
    },
    capability: info.cpuCapability,
    threads: info.threads,
    devices: info.devices,
    gemmLimit: gemmLimit(gemm).limit,
  };
}
