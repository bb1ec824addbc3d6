import type { EventEmitter } from "node:events";

// What examples/electron uses of Electron, whose own types come with 100 MB of it.

export interface WebContents extends EventEmitter {
  readonly id: number;
  isDestroyed(): boolean;
  send(channel: string, ...values: unknown[]): void;
  setWindowOpenHandler(handler: () => { action: "deny" }): void;
}

interface IpcEvent {
  readonly sender: WebContents;
  readonly senderFrame: { readonly url: string } | null;
}

// biome-ignore-start lint/suspicious/noExplicitAny: as Electron declares them.
export interface IpcMain {
  handle(channel: string, listener: (event: IpcEvent, ...values: any[]) => unknown): void;
  on(channel: string, listener: (event: IpcEvent, ...values: any[]) => void): void;
}

export const ipcMain: IpcMain;
export const ipcRenderer: {
  invoke(channel: string, ...values: any[]): Promise<any>;
  send(channel: string, ...values: any[]): void;
  on(channel: string, listener: (event: unknown, ...values: any[]) => void): void;
};
export const contextBridge: { exposeInMainWorld(name: string, api: any): void };
// biome-ignore-end lint/suspicious/noExplicitAny: as Electron declares them.

export const app: EventEmitter & { whenReady(): Promise<void>; quit(): void };

export const protocol: {
  registerSchemesAsPrivileged(
    schemes: { scheme: string; privileges?: { standard?: boolean; secure?: boolean } }[],
  ): void;
  handle(scheme: string, handler: (request: Request) => Response | Promise<Response>): void;
};

export class BrowserWindow {
  constructor(options: {
    width?: number;
    height?: number;
    webPreferences?: { preload?: string; contextIsolation?: boolean; sandbox?: boolean; nodeIntegration?: boolean };
  });
  readonly webContents: WebContents;
  loadURL(url: string): Promise<void>;
}
