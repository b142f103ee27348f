// One kept-alive client connection of the load generators: sends a request, finds the end of the
// response by Content-Length, and tells the status. It does as little as possible: the generator shares
// the processors with the server.
//
//   connecting ──▶ idle ──send()──▶ busy ──response──▶ idle
//       └─────────────┴───────────────┴──error, end──▶ closed

import { connect, type Socket } from "node:net";
import { connect as connectSecurely } from "node:tls";

/** The owner of a connection. */
interface ConnectionListener {
  onIdle(connection: Connection): void;
  onResponse(connection: Connection, status: number): void;
  /** `hadResponse`: at least one byte of the response to the last request had come. */
  onClosed(connection: Connection, hadResponse: boolean): void;
}

export class Connection {
  readonly #socket: Socket;
  readonly #listener: ConnectionListener;
  #state: "connecting" | "idle" | "busy" | "closed" = "connecting";
  #received = "";
  /** Characters of the whole response; 0 while the head is not whole. */
  #expected = 0;

  /** `isSecure`: HTTP/1.1 over TLS, whatever the certificate. */
  constructor(port: number, listener: ConnectionListener, isSecure = false) {
    this.#listener = listener;
    const address = { port, host: "127.0.0.1", noDelay: true };
    const security = { rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] };
    this.#socket = isSecure ? connectSecurely({ ...address, ...security }) : connect(address);
    this.#socket.setEncoding("latin1");
    this.#socket.on(isSecure ? "secureConnect" : "connect", () => {
      this.#state = "idle";
      listener.onIdle(this);
    });
    this.#socket.on("data", (text: string) => this.#onText(text));
    this.#socket.on("error", () => undefined); // "close" follows an error.
    this.#socket.on("close", () => this.#onClose());
  }

  /** Sends one request. The connection must be idle. */
  send(request: string): void {
    this.#state = "busy";
    this.#received = "";
    this.#expected = 0;
    this.#socket.write(request, "latin1");
  }

  #onText(text: string): void {
    if (this.#state !== "busy") throw new Error(`a response without a request:\n${text}`);
    this.#received += text;
    if (this.#expected === 0) this.#expected = responseLength(this.#received);
    if (this.#expected === 0 || this.#received.length < this.#expected) return;
    const status = Number(this.#received.slice(9, 12));
    this.#state = "idle";
    this.#listener.onResponse(this, status);
  }

  #onClose(): void {
    this.#state = "closed";
    this.#listener.onClosed(this, this.#received !== "");
  }
}

/** Length of head and body of a response with Content-Length; 0 while the head is not whole. */
export function responseLength(received: string): number {
  const headEnd = received.indexOf("\r\n\r\n");
  if (headEnd < 0) return 0;
  const length = /\r\ncontent-length: *(\d+)/i.exec(received.slice(0, headEnd))?.[1];
  if (length === undefined) throw new Error(`response without Content-Length:\n${received}`);
  return headEnd + 4 + Number(length);
}
