import type { ServeOptions } from "../server/options.js";
import { serve } from "../server/server.js";
import { exitCodes } from "./failure.js";

export interface ServeFlags extends Omit<ServeOptions, "folder" | "models" | "origins" | "limits"> {
  model?: string[];
  origin?: string[];
  queueLimit: number;
  clientLimit: number;
  json?: true;
}

/** `tokenlense serve`: until Ctrl-C or SIGTERM; a second one ends the process at once. */
export async function serveCommand(folder: string, flags: ServeFlags): Promise<void> {
  const { json, model, origin, queueLimit, clientLimit, log, ...options } = flags;
  const server = await serve({
    ...options,
    folder,
    models: model,
    origins: origin,
    log: log ?? (process.stderr.isTTY ? "warn" : "info"),
    limits: { queue: queueLimit, client: clientLimit },
  });
  process.stdout.write(
    json ? `${JSON.stringify({ url: server.url, folder })}\n` : `Serving ${folder} at ${server.url}\n`,
  );
  await interrupted();
  if (!json) process.stdout.write("Stopping: jobs that run are waited for, others go on at the next start.\n");
  await server.stop();
}

function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    const ask = () => {
      if (asked) process.exit(exitCodes.cancelled);
      asked = true;
      resolve();
    };
    process.on("SIGINT", ask);
    process.on("SIGTERM", ask);
  });
}
