const { EventEmitter } = require("node:events");

// Stands in for Electron: one process, in which values cross between page and main process as clones, as they do there.

const handlers = new Map();
const main = new EventEmitter();
const page = new EventEmitter();

class WebContents extends EventEmitter {
  id = 1;
  destroyed = false;
  isDestroyed() {
    return this.destroyed;
  }
  send(channel, ...values) {
    page.emit(channel, {}, ...structuredClone(values));
  }
  setWindowOpenHandler(handler) {
    this.openHandler = handler;
  }
}

/** What a test looks at, and sets: who asks next, from where. */
exports.stage = { windows: [], schemes: [], served: new Map(), exposed: {}, frame: { url: "app://tokenlense/" } };

exports.ipcMain = {
  handle: (channel, listener) => handlers.set(channel, listener),
  on: (channel, listener) => main.on(channel, listener),
};
const event = () => ({ sender: exports.stage.windows[0].webContents, senderFrame: exports.stage.frame });
exports.ipcRenderer = {
  invoke: async (channel, ...values) =>
    structuredClone(await handlers.get(channel)(event(), ...structuredClone(values))),
  send: (channel, ...values) => main.emit(channel, event(), ...structuredClone(values)),
  on: (channel, listener) => page.on(channel, listener),
};
exports.contextBridge = {
  exposeInMainWorld(name, api) {
    exports.stage.exposed[name] = api;
  },
};
exports.app = Object.assign(new EventEmitter(), { whenReady: async () => {}, quit() {} });
exports.protocol = {
  registerSchemesAsPrivileged: (schemes) => exports.stage.schemes.push(...schemes),
  handle: (scheme, handler) => exports.stage.served.set(scheme, handler),
};
exports.BrowserWindow = class {
  constructor(options) {
    this.options = options;
    this.webContents = new WebContents();
    exports.stage.windows.push(this);
  }
  async loadURL(url) {
    this.url = url;
  }
};
