// A front in this process that accepts every WebSocket and sends each message back, as far as a test does
// not say otherwise.

import type { Duplex } from "node:stream";

import { listen } from "../../src/front/listener.ts";
import type { Exchange, UpgradedStream } from "../../src/http/exchange.ts";
import { responseHead } from "../../src/http/response-head.ts";
import { Http1Engine } from "../../src/http1/engine.ts";
import { CoarseClock } from "../../src/net/coarse-clock.ts";
import { BudgetShare } from "../../src/net/budget-share.ts";
import { MemoryBudget } from "../../src/net/memory-budget.ts";
import {
  MESSAGE_SHARE,
  WebSocketConnection,
  type WebSocketListener,
  type WebSocketOptions,
} from "../../src/websocket/connection.ts";
import { acceptDeflate } from "../../src/websocket/deflate.ts";
import { acceptanceHead, readHandshake } from "../../src/websocket/handshake.ts";
import { MESSAGE_MEMORY_BYTES } from "../../src/websocket/limits.ts";

export interface EchoFrontOptions {
  readonly pingIntervalMs?: number;
  readonly pingTimeoutMs?: number;
  readonly maxMessageBytes?: number;
  readonly answerMs?: number;
  readonly closeTimeoutMs?: number;
  readonly memoryBytes?: number;
  readonly messageWindowMs?: number;
}

/** One WebSocket on the server's side, and what it has heard. */
export class Accepted implements WebSocketListener {
  readonly connection: WebSocketConnection;
  readonly stream: Duplex;
  readonly closed: string[] = [];
  /** Whether what came before the last frame may be answered. */
  mayAnswer = false;
  /** Messages so far. */
  count = 0;
  /** What becomes of a message. */
  take: (bytes: Buffer, isText: boolean) => void;

  constructor(upgraded: UpgradedStream, options: Omit<WebSocketOptions, "listener">) {
    this.take = (bytes, isText) => this.connection.send(bytes, isText, true, () => undefined);
    this.stream = upgraded.stream;
    this.connection = new WebSocketConnection(upgraded, { ...options, listener: this });
  }

  onMessage(bytes: Buffer, isText: boolean): void {
    this.count += 1;
    this.take(bytes, isText);
  }

  onClosed(code: number, reason: string, mayAnswer: boolean): void {
    this.mayAnswer = mayAnswer;
    this.closed.push(`${code} ${reason}`.trim());
  }
}

export interface EchoFront {
  readonly port: number;
  readonly url: string;
  readonly connections: Http1Engine;
  readonly accepted: readonly Accepted[];
  readonly exchanges: readonly Exchange[];
  readonly finished: readonly Exchange[];
  readonly budget: MemoryBudget;
  close(): void;
}

export async function startEchoFront(options: EchoFrontOptions = {}): Promise<EchoFront> {
  const memoryBytes = options.memoryBytes ?? MESSAGE_MEMORY_BYTES;
  const budget = new MemoryBudget(memoryBytes, 2 * memoryBytes);
  const accepted: Accepted[] = [];
  const exchanges: Exchange[] = [];
  const finished: Exchange[] = [];
  const accept = (exchange: Exchange): void => {
    exchanges.push(exchange);
    const handshake = readHandshake(exchange.head);
    if (handshake === null) {
      exchange.respond(responseHead(200, "OK", []), Buffer.from("plain"));
      return;
    }
    if (handshake.kind === "refusal") {
      exchange.fail(handshake.error);
      return;
    }
    const deflate = acceptDeflate(handshake.deflateOffers);
    const extensions = deflate?.field ?? "";
    const head = acceptanceHead(handshake, { subprotocol: "", extensions, fields: [] });
    exchange.requestId = "id-1";
    const upgraded = exchange.upgrade(head);
    if (upgraded === null) return;
    const share = new BudgetShare(budget, MESSAGE_SHARE);
    accepted.push(new Accepted(upgraded, { ...options, deflate, share }));
  };
  const connections = new Http1Engine({
    onExchange: accept,
    onFinish: (exchange) => finished.push(exchange),
  });
  const clock = new CoarseClock();
  clock.start(() => connections.tick());
  const address = { kind: "tcp", host: "127.0.0.1", port: 0 } as const;
  const listener = await listen(address, (socket) => connections.accept(socket));
  const port = listener.address.kind === "tcp" ? listener.address.port : 0;
  return {
    port,
    url: `ws://127.0.0.1:${port}/`,
    connections,
    accepted,
    exchanges,
    finished,
    budget,
    close: () => {
      clock.stop();
      listener.close();
      connections.destroyAll();
    },
  };
}
