import { attribute, loadModel, TokenlenseError } from "tokenlense-native";

// The library runs in the main process: its work is on threads of its own, so that windows stay quick.

/**
 * Answers "attribute" (an id of the asker's, and options), tells of "progress", and heeds "cancel".
 * @param {import("electron").IpcMain} ipcMain
 * @param {{ origin: string, model: string }} options `origin` of the only pages that may ask.
 */
export function answerAttributions(ipcMain, { origin, model: name }) {
  /** @type {Map<string, AbortController>} */
  const running = new Map();
  /** @type {Promise<import("tokenlense-native").Model> | undefined} */
  let loading;
  const modelInMemory = () => {
    loading ??= loadModel(name).catch((error) => {
      loading = undefined; // the next one tries again
      throw error;
    });
    return loading;
  };

  ipcMain.handle("attribute", async (event, id, options) => {
    if (!isOurs(event, origin)) return failure(new TokenlenseError("ERR_TOKENLENSE_INPUT", "Another page asks."));
    const { sender } = event;
    const key = `${sender.id} ${id}`;
    const cancel = new AbortController();
    const gone = () => cancel.abort();
    running.get(key)?.abort();
    running.set(key, cancel);
    sender.once("destroyed", gone);
    try {
      // Of what comes from a page, only this goes on; the library checks the values.
      const { prompt, method } = Object(options);
      const result = await attribute({
        model: await modelInMemory(),
        prompt,
        method,
        maxNewTokens: 24,
        signal: cancel.signal,
        onProgress: (progress) => {
          if (!sender.isDestroyed()) sender.send("progress", id, progress);
        },
      });
      const document = result.toJSON();
      result.dispose(); // its memory, now rather than some time
      return { document };
    } catch (error) {
      return failure(error);
    } finally {
      sender.off("destroyed", gone);
      if (running.get(key) === cancel) running.delete(key);
    }
  });

  ipcMain.on("cancel", (event, id) => {
    if (isOurs(event, origin)) running.get(`${event.sender.id} ${id}`)?.abort();
  });
}

/** @param {{ senderFrame: { url: string } | null }} event */
function isOurs({ senderFrame }, /** @type {string} */ origin) {
  return senderFrame?.url.startsWith(`${origin}/`) ?? false;
}

/** Errors lose their code on the way to a page, so they go as values. @param {unknown} error */
function failure(error) {
  const { code, message, hint } = TokenlenseError.from(error);
  return { error: { code, message, hint } };
}
