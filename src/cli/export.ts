import { terminalProgress } from "../install/progress.js";
import { interruptible } from "./session.js";

export interface ExportFlags {
  revision?: string;
  trustRemoteCode: boolean;
  /** The one that archives have, "float32". */
  dtype: string;
  python?: string;
  json?: true;
}

/** `tokenlense export`: writes a transformers model as an archive. */
export async function exportCommand(source: string, output: string, flags: ExportFlags): Promise<void> {
  const { revision, trustRemoteCode, python } = flags;
  const { path, contract, differences } = await interruptible(async (signal, progress) => {
    const [{ Exporter }, { checkJob, exportModel }] = await Promise.all([
      import("../models/exporter.js"),
      import("../models/export.js"),
    ]);
    await checkJob(source, output);
    const exporter = await Exporter.start({ python, progress: terminalProgress(), signal });
    try {
      const { update: onProgress } = progress;
      return await exportModel(exporter, source, output, { revision, trustRemoteCode, signal, onProgress });
    } finally {
      await exporter.close();
    }
  });
  const { family, layers, width, vocabulary, context } = contract;
  process.stdout.write(
    flags.json
      ? `${JSON.stringify({ path, contract, differences })}\n`
      : `${path}: ${family}, ${layers} layers, width ${width}, ${vocabulary} tokens, context ${context}\n` +
          `From transformers' its logits are ${differences.logits.toExponential(1)} away, its gradients ${differences.gradients.toExponential(1)}, as shares of the largest.\n`,
  );
}
