import cliProgress from "cli-progress";

/** What an install step tells the user. Bars on a terminal, a line per step elsewhere. */
export interface Progress {
  line(message: string): void;
  /** `total` may be unknown (0) at first and is set by `update`. */
  bar(name: string, unit: "bytes" | "percent"): Bar;
}

export interface Bar {
  update(done: number, total: number): void;
  stop(): void;
}

export function formatBytes(bytes: number): string {
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(0)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

/** Writes to `stream`; nothing of it goes to stdout, which belongs to a program's results. */
export function terminalProgress(stream: NodeJS.WriteStream = process.stderr): Progress {
  const line = (message: string) => void stream.write(`tokenlense-native: ${message}\n`);
  if (!stream.isTTY) {
    const silent: Bar = { update() {}, stop() {} };
    return {
      line,
      bar(name) {
        line(name);
        return silent;
      },
    };
  }
  return {
    line,
    bar(name, unit) {
      const amount = (value: number) => (unit === "bytes" ? formatBytes(value) : `${Math.round(value)} %`);
      const bar = new cliProgress.SingleBar({
        stream,
        hideCursor: true,
        clearOnComplete: false,
        format: (_, { progress, value, total }, { started }) => {
          const done = total > 0 ? Math.round(progress * 30) : 0;
          const seconds = (Date.now() - started) / 1000;
          const of = total > 0 ? (unit === "bytes" ? `${amount(value)} of ${amount(total)}` : amount(value)) : "";
          const speed = unit === "bytes" && seconds > 1 ? `, ${formatBytes(value / seconds)}/s` : "";
          return `tokenlense-native: ${name} [${"#".repeat(done)}${"-".repeat(30 - done)}] ${of}${speed}`;
        },
      });
      bar.start(0, 0, { started: Date.now() });
      return {
        update(done, total) {
          if (total !== bar.getTotal()) bar.setTotal(total);
          bar.update(done);
        },
        stop: () => bar.stop(),
      };
    },
  };
}
