import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";

// No sandbox, as containers lack what it needs; and nothing that looks for Google's hosts.
const flags = [
  ...["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
  ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
];

/** Debian's Chromium, or the one that the variable CHROMIUM names. */
export async function launchChromium(): Promise<Browser> {
  if (!existsSync(executablePath))
    throw new Error(
      `No browser at ${executablePath}. The page is tried in a real one: apt-get install chromium, or set CHROMIUM to its path.`,
    );
  return chromium.launch({ executablePath, args: flags });
}
