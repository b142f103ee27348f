// A front in this process whose handler reads each body whole, records the request by the client's port
// and responds with 200. The HTTP/1.1 tests look at the records.

import type { Socket } from "node:net";

import type { BodyReceiver, Exchange } from "../../src/http/exchange.ts";
import type { ResponseHead } from "../../src/http/message.ts";
import { responseHead } from "../../src/http/response-head.ts";
import { listen } from "../../src/front/listener.ts";
import { Http1Engine, type Http1Options } from "../../src/http1/engine.ts";
import { CoarseClock } from "../../src/net/coarse-clock.ts";
import { type CaseServer, joinLines, type SeenRequest } from "./http1-cases.ts";
import { RawClient } from "./raw-client.ts";

const OK: ResponseHead = responseHead(200, "OK", [["Content-Type", "text/plain"]]);

export interface RecordingFront extends CaseServer {
  readonly connections: Http1Engine;
  readonly port: number;
  /** The front's ends of all connections, in the order in which they came. */
  readonly sockets: readonly Socket[];
  /** Ends all connections and stops listening. */
  close(): void;
}

class Recorder implements BodyReceiver {
  readonly #chunks: Buffer[] = [];
  readonly #onWhole: (body: string) => void;

  constructor(onWhole: (body: string) => void) {
    this.#onWhole = onWhole;
  }

  onBody(chunk: Buffer): void {
    this.#chunks.push(Buffer.from(chunk));
  }

  onBodyEnd(): void {
    this.#onWhole(Buffer.concat(this.#chunks).toString("latin1"));
  }
}

/** `options` may replace the handler. */
export async function startRecordingFront(
  options: Partial<Http1Options> = {},
): Promise<RecordingFront> {
  const seen = new Map<number, SeenRequest[]>();
  const connections = new Http1Engine({
    onExchange: (exchange) => record(exchange, seen),
    ...options,
  });
  const clock = new CoarseClock();
  clock.start(() => connections.tick());
  const sockets: Socket[] = [];
  const listener = await listen({ kind: "tcp", host: "127.0.0.1", port: 0 }, (socket) => {
    sockets.push(socket);
    connections.accept(socket);
  });
  const port = listener.address.kind === "tcp" ? listener.address.port : 0;
  return {
    connections,
    port,
    sockets,
    connect: () => RawClient.connect({ port }),
    seen: (clientPort) => seen.get(clientPort) ?? [],
    close: () => {
      clock.stop();
      listener.close();
      connections.destroyAll();
    },
  };
}

function record(exchange: Exchange, seen: Map<number, SeenRequest[]>): void {
  const { head } = exchange;
  const finish = (body: string): void => {
    const request = {
      method: head.method,
      path: decode(head.path),
      rawPath: head.path,
      query: head.query,
      body,
      headers: joinLines(head.names, head.values),
    };
    seen.set(exchange.remotePort, [...(seen.get(exchange.remotePort) ?? []), request]);
    exchange.respond(OK, Buffer.from("ok\n"));
  };
  if (head.bodyLength === 0) finish("");
  else exchange.receive(new Recorder(finish));
}

function decode(path: string): string {
  return path.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
