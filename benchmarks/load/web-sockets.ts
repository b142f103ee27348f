// The load generator of the WebSocket benchmark, a process of its own. Argument: a WebSocketOrder as
// JSON; prints the figures of wrk.ts's WrkOutcome as JSON. Closed loop: a connection sends its next
// message when the last has come back. A connection that fails or closes, and an echo that differs from
// its message, end the program with exit code 1 and one line that says so.

import { WebSocket, type RawData } from "ws";
import { readNumbers } from "../program.ts";
import { percentile } from "../statistics.ts";
import { clockMs } from "./arrivals.ts";

/** Which messages to send, and where. */
export interface WebSocketOrder {
  readonly port: number;
  readonly path: string;
  readonly connections: number;
  readonly messageBytes: number;
  readonly seconds: number;
  /** Whether every byte of every echo is compared. This costs time: for warm-ups. */
  readonly isCompared: boolean;
}

/** Limit for all connections to open, and for the last echoes after the end. */
const PATIENCE_MS = 10_000;

interface Client {
  readonly socket: WebSocket;
  sentAt: number;
}

class Echoes {
  readonly #order: WebSocketOrder;
  readonly #finish: () => void;
  readonly #message: Buffer;
  readonly #clients: Client[] = [];
  readonly #latencies: number[] = [];
  #phase: "opening" | "sending" | "ending" = "opening";
  #opened = 0;
  #waiting = 0;
  #begin = 0;
  /** Runs while connections open, and again while the last echoes come. */
  #patience: NodeJS.Timeout;

  constructor(order: WebSocketOrder, finish: () => void) {
    this.#order = order;
    this.#finish = finish;
    this.#message = Buffer.from(Uint8Array.from({ length: order.messageBytes }, (_, at) => at));
    for (let count = 0; count < order.connections; count++) this.#open();
    this.#patience = setTimeout(() => fail("Error: not all connections opened"), PATIENCE_MS);
  }

  /** Figures of the whole run; times in milliseconds. */
  report(): Record<string, number> {
    const latencies = Float64Array.from(this.#latencies).sort();
    const seconds = (clockMs() - this.#begin) / 1000;
    return {
      requests: latencies.length,
      requestsPerSecond: latencies.length / seconds,
      p50: percentile(latencies, 0.5),
      p99: percentile(latencies, 0.99),
      max: percentile(latencies, 1),
    };
  }

  #open(): void {
    const { port, path } = this.#order;
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { perMessageDeflate: false });
    const client: Client = { socket, sentAt: 0 };
    this.#clients.push(client);
    socket.on("error", (error) => fail(`Error: ${error.message}`));
    socket.on("close", (code) => fail(`Error: the server closed a connection, code ${code}`));
    socket.on("open", () => {
      this.#opened++;
      if (this.#opened === this.#order.connections) this.#start();
    });
    socket.on("message", (echo: RawData, isBinary: boolean) => {
      this.#check(echo, isBinary);
      this.#latencies.push(clockMs() - client.sentAt);
      this.#waiting--;
      if (this.#phase === "sending") this.#send(client);
      else if (this.#waiting === 0) this.#finish();
    });
  }

  #send(client: Client): void {
    client.sentAt = clockMs();
    this.#waiting++;
    client.socket.send(this.#message);
  }

  #start(): void {
    this.#phase = "sending";
    clearTimeout(this.#patience);
    this.#begin = clockMs();
    setTimeout(() => {
      this.#phase = "ending";
      this.#patience = setTimeout(() => fail("Error: an echo did not come back"), PATIENCE_MS);
    }, this.#order.seconds * 1000);
    for (const client of this.#clients) this.#send(client);
  }

  #check(echo: RawData, isBinary: boolean): void {
    if (!isBinary || !Buffer.isBuffer(echo)) return fail("Error: an echo is not binary");
    const isRight = this.#order.isCompared
      ? echo.equals(this.#message)
      : echo.length === this.#message.length;
    if (!isRight) fail(`Error: an echo of ${echo.length} bytes is not what was sent`);
  }
}

function fail(text: string): never {
  process.stderr.write(`${text}\n`);
  process.exit(1);
}

/** Reads the argument that websocket.ts wrote; throws where a number is missing. */
function readOrder(json = "null"): WebSocketOrder {
  const order: unknown = JSON.parse(json);
  return {
    ...readNumbers(json, ["port", "connections", "messageBytes", "seconds"]),
    path: String(Reflect.get(Object(order), "path")),
    isCompared: Reflect.get(Object(order), "isCompared") === true,
  };
}

const echoes = new Echoes(readOrder(process.argv[2]), () => {
  process.stdout.write(`${JSON.stringify(echoes.report())}\n`, () => process.exit(0));
});
