import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import fastifyStatic from "@fastify/static";
import { packageRoot } from "../../install/package.js";
import type { App } from "../app.js";
import { notFound } from "../errors.js";

/** Where the page lies, below the server's root. */
export const PAGE = "/ui/";

/**
 * Scripts of the page's own, and nothing from elsewhere. Its component library writes styles into the document, and pictures
 * are made in the page (blob:, data:).
 */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** The page, as `npm run build:ui` left it: its files, and itself at every other address below {@link PAGE}. */
export async function pageRoutes(app: App): Promise<void> {
  const root = join(packageRoot(), "dist", "ui");
  const schema = { hide: true };
  if (!existsSync(join(root, "index.html"))) {
    app.get(`${PAGE}*`, { schema }, () => {
      throw notFound("The page was not built.", "Run npm run build:ui in the package's folder.");
    });
    return;
  }
  const files = new Set(readdirSync(root, { recursive: true }).map((name) => String(name).replaceAll("\\", "/")));
  await app.register(fastifyStatic, { root, serve: false });
  for (const route of ["/ui", `${PAGE}*`])
    app.get(route, { schema }, ({ params }, reply) => {
      reply.header("content-security-policy", policy).header("referrer-policy", "no-referrer");
      const { "*": path = "" } = params as { "*"?: string };
      // Their names change with what is in them.
      if (path.startsWith("assets/")) return reply.sendFile(path, { maxAge: "365d", immutable: true });
      // Asked for again each time, and then mostly found unchanged.
      reply.header("cache-control", "no-cache");
      return reply.sendFile(files.has(path) ? path : "index.html", { cacheControl: false });
    });
}
