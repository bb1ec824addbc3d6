import { createHash, timingSafeEqual } from "node:crypto";
import type { FastifyInstance } from "fastify";
import { TokenlenseError } from "../errors.js";
import { isLoopback, type ServerSettings } from "./options.js";
import { PAGE } from "./page/routes.js";
import { asksForPage } from "./routes.js";

/** Open to all who reach the server: what says nothing of what is stored, as the page does, which then asks for the token. */
const open = new Set(["/health", "/ui", `${PAGE}*`]);

/** Turns away who has not the token, and on loopback without one what was addressed to another host. */
export function guard(app: FastifyInstance, { token }: ServerSettings): void {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  const wanted = token === undefined ? undefined : digest(`Bearer ${token}`);
  app.addHook("onRequest", async (request) => {
    if (!wanted) {
      // A page whose own host name was made to resolve to loopback would pass for one of this server's.
      if (isLoopback(request.hostname.replace(/^\[|\]$/g, ""))) return;
      throw new TokenlenseError("ERR_TOKENLENSE_HOST", "This server is for the machine that it runs on.", {
        hint: "Ask 127.0.0.1 or localhost, or start it with a token.",
      });
    }
    const route = request.routeOptions.url ?? "";
    if (open.has(route) || (route === "/" && asksForPage(request))) return;
    if (timingSafeEqual(digest(request.headers.authorization ?? ""), wanted)) return;
    throw new TokenlenseError("ERR_TOKENLENSE_TOKEN", "The token is missing or wrong.", {
      hint: "Send Authorization: Bearer <token>.",
    });
  });
}
