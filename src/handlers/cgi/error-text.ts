// What one program writes to its standard error, on its way to the log. A traceback comes in pieces: what comes soon
// after the first piece is one entry with it. The launcher bounds the text of a run (MAX_ERROR_BYTES).

/** The longest time that a piece waits for others. */
const GATHER_MS = 100;

export class ErrorText {
  readonly #write: (text: string) => void;
  #text = "";
  #timer: NodeJS.Timeout | null = null;

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  add(piece: string): void {
    this.#text += piece;
    this.#timer ??= setTimeout(() => this.flush(), GATHER_MS);
  }

  /** The program has ended, or the next entry of the log should stand behind this text. */
  flush(): void {
    if (this.#timer === null) return;
    clearTimeout(this.#timer);
    this.#timer = null;
    const text = this.#text;
    this.#text = "";
    this.#write(text);
  }
}
