import { fileURLToPath } from "node:url";
import express from "express";
import { attribute, loadModel, methods, TokenlenseError } from "tokenlense-native";

// A page that asks which tokens an answer leaned on: `npm start`, or `node server.js <model>`.

const longestPrompt = 2000;
const model = await loadModel(process.argv[2] ?? "smollm2-135m-instruct");
const app = express();

app.use((_request, response, next) => {
  // Results are drawn without inline styles; PNGs are made of a blob.
  response.set(
    "content-security-policy",
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src blob: data:",
  );
  next();
});
app.use(express.static(fileURLToPath(new URL("public", import.meta.url))));
app.get("/token-lens.js", (_request, response) => {
  response.sendFile(fileURLToPath(import.meta.resolve("tokenlense-native/ui")));
});
app.get("/methods", (_request, response) => {
  response.json(Object.values(methods).map(({ name, summary }) => ({ name, summary })));
});

app.post("/attributions", express.json({ limit: "64kb" }), async (request, response) => {
  const { prompt, method } = request.body ?? {};
  if (typeof prompt === "string" && prompt.length > longestPrompt)
    throw new TokenlenseError("ERR_TOKENLENSE_INPUT", `The prompt is longer than ${longestPrompt} characters.`);
  // Nobody waits for the answer of a client who left: the work stops within a block.
  const left = new AbortController();
  response.on("close", () => left.abort());
  const result = await attribute({ model, prompt, method, maxNewTokens: 24, signal: left.signal });
  response.json(result);
  result.dispose(); // its memory, now rather than some time
});

/** Whose fault it was: of most codes the asker's. @type {Readonly<Record<string, number>>} */
const statuses = { ERR_TOKENLENSE_MEMORY: 503, ERR_TOKENLENSE_NATIVE: 500, ERR_TOKENLENSE_NON_FINITE: 500 };

/** @type {import("express").ErrorRequestHandler} */
const refuse = (error, request, response, _next) => {
  const known = error instanceof TokenlenseError;
  const status = known ? (statuses[error.code] ?? 400) : (error.status ?? 500);
  console.error(`${request.method} ${request.path}: ${known ? error.code : (error.type ?? error)}`);
  if (response.destroyed || response.headersSent) return;
  response.status(status).json({
    code: known ? error.code : "ERR_REQUEST",
    message: status < 500 || known ? error.message : "The server failed.",
    hint: known ? error.hint : undefined,
  });
};
app.use(refuse);

const server = app.listen(Number(process.env.PORT ?? 3000), "127.0.0.1", () => {
  const address = server.address();
  if (address !== null && typeof address === "object") console.log(`http://127.0.0.1:${address.port}`);
});
for (const signal of ["SIGINT", "SIGTERM"])
  process.once(signal, () => {
    server.close(() => model.dispose());
    server.closeAllConnections();
  });
