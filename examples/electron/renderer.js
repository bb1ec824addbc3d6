/**
 * What preload.cjs exposes.
 * @typedef {object} Bridge
 * @property {(id: string, options: object) => Promise<{ document: import("tokenlense-native/ui").NativeDocument, error?: undefined } | { error: { code: string, message: string, hint?: string } }>} attribute
 * @property {(id: string) => void} cancel
 * @property {(listener: (id: string, progress: { phase: string, done: number, total: number }) => void) => void} onProgress
 */

const { tokenlense } = /** @type {{ tokenlense: Bridge }} */ (/** @type {unknown} */ (window));
const form = /** @type {HTMLFormElement} */ (document.querySelector("form"));
const cancel = /** @type {HTMLButtonElement} */ (document.querySelector("#cancel"));
const status = /** @type {HTMLElement} */ (document.querySelector("[role=status]"));
const bar = /** @type {HTMLProgressElement} */ (document.querySelector("progress"));
const lens = /** @type {import("tokenlense-native/ui").TokenLensElement} */ (document.querySelector("token-lens"));
let running = "";

tokenlense.onProgress((id, { phase, done, total }) => {
  if (id !== running) return;
  bar.value = done / total;
  status.textContent = `${phase} ${done} of ${total}`;
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (running) tokenlense.cancel(running);
  const id = crypto.randomUUID();
  running = id;
  cancel.disabled = false;
  bar.hidden = false;
  bar.value = 0;
  status.textContent = "Loading the model …";
  const answer = await tokenlense.attribute(id, Object.fromEntries(new FormData(form)));
  if (running !== id) return;
  running = "";
  cancel.disabled = true;
  bar.hidden = true;
  if (answer.error === undefined) lens.results = [answer.document];
  status.textContent = answer.error ? [answer.error.message, answer.error.hint].filter(Boolean).join(" ") : "";
});
cancel.addEventListener("click", () => tokenlense.cancel(running));
