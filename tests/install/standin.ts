import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface StandIn {
  url: string;
  /** Range headers of the requests so far; undefined for a request of the whole. */
  ranges: (string | undefined)[];
  /** To be told how many bytes of the file have arrived, so that a connection breaks when they have and not before. */
  arrived(bytes: number): void;
  close(): Promise<void>;
}

/** How the n-th request (from 0) is answered. */
export type Behaviour = (request: number) => {
  /** Status to answer instead of the file. */
  status?: number;
  /** Break the connection after so many bytes of this answer. */
  drop?: number;
  /** Say nothing more after so many bytes of this answer. */
  stall?: number;
  /** Answer ranges with the whole file, as simple servers do. */
  ignoreRange?: boolean;
};

/** A file server on 127.0.0.1 that misbehaves as told. */
export async function standIn(content: Buffer, behaviour: Behaviour = () => ({})): Promise<StandIn> {
  const ranges: (string | undefined)[] = [];
  let dropping: { at: number; response: ServerResponse } | undefined;
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const { status, drop, stall, ignoreRange } = behaviour(ranges.length);
    const { range } = request.headers;
    ranges.push(range);
    if (status !== undefined) return void response.writeHead(status).end("no");
    const start = ignoreRange ? 0 : Number(range?.match(/^bytes=(\d+)-$/)?.[1] ?? 0);
    if (start > 0 && start >= content.length)
      return void response.writeHead(416, { "content-range": `bytes */${content.length}` }).end();
    response.writeHead(start > 0 ? 206 : 200, {
      "content-length": content.length - start,
      ...(start > 0 ? { "content-range": `bytes ${start}-${content.length - 1}/${content.length}` } : {}),
    });
    const rest = content.subarray(start);
    if (drop !== undefined) {
      dropping = { at: start + drop, response };
      response.write(rest.subarray(0, drop));
    } else if (stall !== undefined) response.write(rest.subarray(0, stall));
    else response.end(rest);
  };
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/libtorch.zip`,
    ranges,
    arrived: (bytes) => {
      if (dropping && bytes >= dropping.at) dropping.response.destroy();
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
