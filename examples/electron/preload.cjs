const { contextBridge, ipcRenderer } = require("electron");

// All that the page gets of the main process.
contextBridge.exposeInMainWorld("tokenlense", {
  attribute: (/** @type {string} */ id, /** @type {object} */ options) => ipcRenderer.invoke("attribute", id, options),
  cancel: (/** @type {string} */ id) => ipcRenderer.send("cancel", id),
  onProgress: (/** @type {(id: string, progress: object) => void} */ listener) => {
    ipcRenderer.on("progress", (_event, id, progress) => listener(id, progress));
  },
});
