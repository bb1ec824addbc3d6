const form = /** @type {HTMLFormElement} */ (document.querySelector("form"));
const cancel = /** @type {HTMLButtonElement} */ (document.querySelector("#cancel"));
const status = /** @type {HTMLElement} */ (document.querySelector("[role=status]"));
const choice = /** @type {HTMLSelectElement} */ (document.querySelector("select"));
const lens = /** @type {import("tokenlense-native/ui").TokenLensElement} */ (document.querySelector("token-lens"));
/** @type {AbortController | undefined} */
let running;

const list = await (await fetch("methods")).json();
for (const { name, summary } of list) choice.append(Object.assign(new Option(name), { title: summary }));
choice.value = "saliency";

// The address is a link to exactly this view of the next result.
const known = decodeURIComponent(location.hash.slice(1));
if (known.startsWith("{")) lens.state = JSON.parse(known);
lens.addEventListener("lens-change", ({ detail }) => {
  history.replaceState(null, "", `#${encodeURIComponent(JSON.stringify(detail))}`);
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  running?.abort();
  const mine = new AbortController();
  running = mine;
  cancel.disabled = false;
  status.textContent = "Attributing …";
  try {
    const response = await fetch("attributions", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(Object.fromEntries(new FormData(form))),
      signal: mine.signal,
    });
    const answer = await response.json();
    if (response.ok) lens.results = [answer];
    status.textContent = response.ok ? "" : [answer.message, answer.hint].filter(Boolean).join(" ");
  } catch (error) {
    if (running === mine)
      status.textContent = mine.signal.aborted ? "Cancelled." : `The server does not answer: ${error}`;
  } finally {
    if (running === mine) cancel.disabled = true;
  }
});
cancel.addEventListener("click", () => running?.abort());
