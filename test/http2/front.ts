// A front in this process with an HTTP/2 engine, whose time the test may move.

import type { Socket } from "node:net";
import type { TestContext } from "node:test";

import { listen } from "../../src/front/listener.ts";
import type { Exchange } from "../../src/http/exchange.ts";
import { responseHead } from "../../src/http/response-head.ts";
import { Http2Engine, type Http2Options } from "../../src/http2/engine.ts";
import { ConnectionMemory } from "../../src/net/connection-memory.ts";
import { FrameClient } from "./frame-client.ts";

export const OK = responseHead(200, "OK", []);
const LIMIT = 1_000_000;

export interface Http2Front {
  readonly engine: Http2Engine;
  readonly port: number;
  /** The front's ends of all connections, in the order in which they came. */
  readonly sockets: readonly Socket[];
  readonly exchanges: readonly Exchange[];
  /** Exchanges that have ended. */
  readonly finished: readonly Exchange[];
  /** Codes of the errors before an exchange. */
  readonly refused: readonly string[];
  /** What listeners have heard. */
  readonly heard: readonly string[];
  readonly memory: ConnectionMemory;
  /** Whether no memory of any kind is counted. */
  readonly isClean: boolean;
  connect(settings?: readonly (readonly [id: number, value: number])[]): Promise<FrameClient>;
  open(): Promise<FrameClient>;
  /** Moves the time, and lets the clock tick as it goes. */
  pass(ms: number): void;
}

/** Starts a front; `handle` responds with 200 and "hello" if missing. */
export async function startHttp2Front(
  context: TestContext,
  handle: (exchange: Exchange) => void = sayHello,
  options: Partial<Http2Options> = {},
): Promise<Http2Front> {
  let now = 1000;
  const exchanges: Exchange[] = [];
  const finished: Exchange[] = [];
  const refused: string[] = [];
  const heard: string[] = [];
  const memory =
    options.memory ?? new ConnectionMemory({ input: LIMIT, heads: LIMIT, output: 64 * LIMIT });
  const engine = new Http2Engine({
    memory,
    onExchange: (exchange) => {
      exchanges.push(exchange);
      exchange.listener = {
        onDrain: () => heard.push("drain"),
        onGone: (how) => heard.push(how),
      };
      handle(exchange);
    },
    onFinish: (exchange) => finished.push(exchange),
    onRefused: (error) => refused.push(error.code),
    now: () => now,
    ...options,
  });
  const sockets: Socket[] = [];
  const listener = await listen({ kind: "tcp", host: "127.0.0.1", port: 0 }, (socket) => {
    sockets.push(socket);
    engine.accept(socket);
  });
  const port = listener.address.kind === "tcp" ? listener.address.port : 0;
  const clients: FrameClient[] = [];
  const add = (client: FrameClient): FrameClient => {
    clients.push(client);
    return client;
  };
  context.after(() => {
    for (const client of clients) client.socket.destroy();
    listener.close();
    engine.destroyAll();
  });
  return {
    engine,
    port,
    sockets,
    exchanges,
    finished,
    refused,
    heard,
    memory,
    get isClean() {
      return (
        isUnused(memory.input, LIMIT) &&
        isUnused(memory.heads, LIMIT) &&
        isUnused(memory.output, 64 * LIMIT)
      );
    },
    connect: async (settings) => add(await FrameClient.connect(port, settings)),
    open: async () => add(await FrameClient.open(port)),
    pass: (ms) => {
      for (let passed = 0; passed < ms; passed += 250) {
        now += Math.min(250, ms - passed);
        engine.tick();
      }
    },
  };
}

export function sayHello(exchange: Exchange): void {
  exchange.respond(OK, Buffer.from("hello"));
}

/** Receives a body whole and responds with its length. */
export function countBody(exchange: Exchange): void {
  let bytes = 0;
  exchange.receive({
    onBody: (chunk) => (bytes += chunk.length),
    onBodyEnd: () => exchange.respond(OK, Buffer.from(String(bytes))),
  });
}

/** Whether nothing of a budget with this limit is used. */
function isUnused(budget: ConnectionMemory["input"], limit: number): boolean {
  budget.take(limit - 1);
  const isFree = budget.hasRoom;
  budget.give(limit - 1);
  return isFree;
}
