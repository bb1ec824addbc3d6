import type { System } from "./schema.js";

/** One line for titles and tables. */
export function machineLine({ cpu, capability, cores, threads, gpus, gemmLimit, versions }: System): string {
  const accelerators = gpus.map(({ model }) => model).join(", ");
  const parts = [
    `${cpu} (${capability}), ${cores} cores, ${threads} threads`,
    ...(accelerators ? [accelerators] : []),
    `limit ${gemmLimit.toFixed(0)} GFLOP/s`,
    `tokenlense-native ${versions["tokenlense-native"]}, libtorch ${versions.libtorch}`,
  ];
  return parts.join("; ");
}
