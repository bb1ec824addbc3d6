import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { performance } from "node:perf_hooks";
import { packageRoot } from "../src/install/package.js";
import { MODEL, type PeerEnvironment } from "./environment.js";
import { type Spread, spread } from "./numbers.js";

export interface ColdStart {
  prompt: string;
  outputs: number;
  ours: Spread;
  peer: Spread;
}

const PROMPT = "The capital of France is";
const OUTPUTS = 8;

/** Both command lines from process start to the result in full, in turns, caches warm: eight tokens generated and attributed. */
export async function coldStart({ inseq, gguf }: PeerEnvironment, repeats: number): Promise<ColdStart> {
  const folder = await mkdtemp(join(tmpdir(), "tokenlense-bench-"));
  try {
    const saved = join(folder, "inseq.json");
    const ours = [join(packageRoot(), "dist/cli/main.js"), "attribute", PROMPT, "--model", MODEL];
    ours.push("--max-new-tokens", String(OUTPUTS), "--json", "--no-save");
    const file = JSON.stringify({ gguf_file: basename(gguf) });
    const peer = ["attribute", "--model_name_or_path", dirname(gguf), "--attribution_method", "saliency"];
    peer.push(
      "--input_texts",
      PROMPT,
      "--generation_kwargs",
      JSON.stringify({ max_new_tokens: OUTPUTS, do_sample: false }),
    );
    peer.push("--model_kwargs", file, "--tokenizer_kwargs", file, "--hide_attributions", "--save_path", saved);

    const seconds = { ours: [] as number[], peer: [] as number[] };
    for (let i = 0; i <= repeats; i++) {
      const own = await timed(process.execPath, ours);
      const outputs = (JSON.parse(own.stdout) as { data: { output_tokens: unknown[] } }).data.output_tokens.length;
      const other = await timed(inseq, peer);
      await readFile(saved); // it ends with 0 even where it wrote nothing
      await rm(saved);
      if (outputs !== OUTPUTS) throw new Error(`our command attributed ${outputs} outputs, not ${OUTPUTS}`);
      if (i === 0) continue; // the first of each brings the files into memory
      seconds.ours.push(own.seconds);
      seconds.peer.push(other.seconds);
    }
    return { prompt: PROMPT, outputs: OUTPUTS, ours: spread(seconds.ours), peer: spread(seconds.peer) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function timed(program: string, args: string[]): Promise<{ seconds: number; stdout: string }> {
  const start = performance.now();
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (data: Buffer) => {
    stdout += data;
  });
  child.stderr.on("data", (data: Buffer) => {
    stderr += data;
  });
  const code = await new Promise((resolve, reject) => child.on("error", reject).on("close", resolve));
  if (code !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${code}\n${stderr.slice(-2000)}`);
  return { seconds: (performance.now() - start) / 1000, stdout };
}
