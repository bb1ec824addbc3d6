import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";

// All by the variables and places of Python's huggingface_hub, so that what is set up for it holds here.

/** Address of the hub, or of a mirror: `HF_ENDPOINT`. */
export async function hubAddress(): Promise<string> {
  const { HUB_URL } = await import("@huggingface/hub");
  return (process.env.HF_ENDPOINT || HUB_URL).replace(/\/+$/, "");
}

/** Whether the network must not be used: `HF_HUB_OFFLINE`. */
export function offline(): boolean {
  const { HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE } = process.env;
  return /^(1|on|yes|true)$/i.test(HF_HUB_OFFLINE || TRANSFORMERS_OFFLINE || "");
}

/** The cache that is shared with Python: `HF_HUB_CACHE`, else `HF_HOME`/hub, else `~/.cache/huggingface/hub`. */
export async function hubCache(): Promise<string> {
  const { getHFHubCachePath } = await import("@huggingface/hub");
  return resolve(expandUser(getHFHubCachePath()));
}

export interface HubToken {
  value: string;
  /** Variable or file that it is from. */
  from: string;
}

/** The access token: from a variable, else from the file that `hf auth login` writes. */
export async function hubToken(): Promise<HubToken | undefined> {
  for (const from of ["HUGGINGFACE_TOKEN", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"]) {
    const value = process.env[from]?.trim();
    if (value) return { value, from };
  }
  const { HF_TOKEN_PATH, HF_HOME, XDG_CACHE_HOME } = process.env;
  const home = HF_HOME ?? join(XDG_CACHE_HOME ?? join(homedir(), ".cache"), "huggingface");
  const from = resolve(expandUser(HF_TOKEN_PATH ?? join(home, "token")));
  const value = (await readFile(from, "utf8").catch(() => "")).trim();
  return value ? { value, from } : undefined;
}

const expandUser = (path: string): string => path.replace(/^~(?=$|[\\/])/, homedir());
