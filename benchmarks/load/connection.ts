// One kept-alive client connection of the load generators: sends a request, finds the end of its
// answer by Content-Length, says whether it was a success. As little work as that needs: the
// generator shares the processors with the server.
//
//   connecting ──▶ idle ──send()──▶ busy ──answer──▶ idle
//       └─────────────┴───────────────┴──error, end──▶ closed

import { connect, type Socket } from "node:net";

/** What the owner of a connection hears. */
export interface ConnectionListener {
  onIdle(connection: Connection): void;
  onAnswer(connection: Connection, status: number): void;
  /** `hadAnswer`: at least one byte of the answer to the last request had come. */
  onClosed(connection: Connection, hadAnswer: boolean): void;
}

export class Connection {
  readonly #socket: Socket;
  readonly #listener: ConnectionListener;
  #state: "connecting" | "idle" | "busy" | "closed" = "connecting";
  #received = "";
  /** Length of the whole answer, 0 while the head is not whole. */
  #expected = 0;

  constructor(port: number, listener: ConnectionListener) {
    this.#listener = listener;
    this.#socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.#socket.setEncoding("latin1");
    this.#socket.on("connect", () => {
      this.#state = "idle";
      listener.onIdle(this);
    });
    this.#socket.on("data", (text: string) => this.#onText(text));
    this.#socket.on("error", () => undefined); // "close" follows and says all.
    this.#socket.on("close", () => this.#onClose());
  }

  /** Sends one request; only an idle connection may. */
  send(request: string): void {
    this.#state = "busy";
    this.#received = "";
    this.#expected = 0;
    this.#socket.write(request, "latin1");
  }

  #onText(text: string): void {
    if (this.#state !== "busy") throw new Error(`an answer that nobody asked for:\n${text}`);
    this.#received += text;
    if (this.#expected === 0) this.#expected = answerLength(this.#received);
    if (this.#expected === 0 || this.#received.length < this.#expected) return;
    const status = Number(this.#received.slice(9, 12));
    this.#state = "idle";
    this.#listener.onAnswer(this, status);
  }

  #onClose(): void {
    this.#state = "closed";
    this.#listener.onClosed(this, this.#received !== "");
  }
}

/** Length of head and body of an answer with Content-Length; 0 while the head is not whole. */
export function answerLength(received: string): number {
  const headEnd = received.indexOf("\r\n\r\n");
  if (headEnd < 0) return 0;
  const length = /\r\ncontent-length: *(\d+)/i.exec(received.slice(0, headEnd))?.[1];
  if (length === undefined) throw new Error(`answer without Content-Length:\n${received}`);
  return headEnd + 4 + Number(length);
}
