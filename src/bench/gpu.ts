import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { max, mean } from "simple-statistics";

interface Sample {
  bytes: number;
  watts: number;
}

/** Milliseconds between samples. */
const INTERVAL = 100;

/** Follows memory in use and power of an Nvidia device, as nvidia-smi tells them; of other devices nothing is known. */
export class GpuWatch {
  readonly #child: ChildProcess | undefined;
  #samples: Sample[] = [];

  /** `device` is libtorch's name: "cuda", "cuda:1"; for others nothing is started. */
  constructor(device: string) {
    const [, index = "0"] = /^cuda(?::(\d+))?$/.exec(device) ?? [undefined, undefined];
    if (!device.startsWith("cuda")) return;
    const query = ["--query-gpu=memory.used,power.draw", "--format=csv,noheader,nounits"];
    this.#child = spawn("nvidia-smi", [...query, `--id=${index}`, `--loop-ms=${INTERVAL}`], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    this.#child.on("error", () => {}); // without nvidia-smi these figures are left out
    this.#child.unref();
    if (this.#child.stdout)
      createInterface(this.#child.stdout).on("line", (line) => {
        const [mebibytes = Number.NaN, watts = Number.NaN] = line.split(",").map(Number);
        this.#samples.push({ bytes: mebibytes * 2 ** 20, watts });
      });
  }

  reset(): void {
    this.#samples = [];
  }

  /** Since the last reset: the most bytes in use and the mean power; a short cell may have no sample. */
  figures(): { gpuBytes?: number; gpuWatts?: number } {
    const known = (name: keyof Sample) => this.#samples.map((sample) => sample[name]).filter(Number.isFinite);
    const [bytes, watts] = [known("bytes"), known("watts")];
    return { ...(bytes.length > 0 && { gpuBytes: max(bytes) }), ...(watts.length > 0 && { gpuWatts: mean(watts) }) };
  }

  stop(): void {
    this.#child?.kill();
  }
}
