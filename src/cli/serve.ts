import type { ServeOptions } from "../server/options.js";
import { PAGE } from "../server/page/routes.js";
import { serve } from "../server/server.js";
import { exitCodes } from "./failure.js";

export interface ServeFlags extends Omit<ServeOptions, "folder" | "models" | "origins" | "limits"> {
  model?: string[];
  origin?: string[];
  queueLimit: number;
  clientLimit: number;
  open?: true;
  json?: true;
}

/** `tokenlense serve`: until Ctrl-C or SIGTERM; a second one ends the process at once. */
export async function serveCommand(folder: string, flags: ServeFlags): Promise<void> {
  const { json, open: show, model, origin, queueLimit, clientLimit, log, ...options } = flags;
  const server = await serve({
    ...options,
    folder,
    models: model,
    origins: origin,
    log: log ?? (process.stderr.isTTY ? "warn" : "info"),
    limits: { queue: queueLimit, client: clientLimit },
  });
  const page = server.url + PAGE;
  process.stdout.write(
    json
      ? `${JSON.stringify({ url: server.url, page, folder })}\n`
      : `Serving ${folder} at ${server.url}; in a browser: ${page}\n`,
  );
  if (show) await openPage(page);
  await interrupted();
  if (!json) process.stdout.write("Stopping: jobs that run are waited for, others go on at the next start.\n");
  await server.stop();
}

/** The server stays where no browser is to be had. */
async function openPage(address: string): Promise<void> {
  const failed = (error: Error) => process.stderr.write(`No browser could be opened: ${error.message}\n`);
  try {
    const { default: open } = await import("open");
    (await open(address)).on("error", failed);
  } catch (error) {
    failed(error as Error);
  }
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
