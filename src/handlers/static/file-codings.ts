// Coded forms of a file that has none beside it on the disk: made once at the best level, in another thread, when a
// client first asks for a coding, and kept with the file's bytes. Until a form is there, and where too many wait, the
// body is coded for the one response.

import type { Coding } from "../../http/content-coding.ts";
import type { KeptCodings } from "../../http/response-policy.ts";
import { encodeBest } from "../../net/best-encoding.ts";

/** Codes a body, which does not change. Null: not now. */
export type Encode = (coding: Coding, body: Buffer) => Promise<Buffer | null>;

export class FileCodings implements KeptCodings {
  readonly #body: Buffer;
  readonly #onGrowth: () => void;
  readonly #encode: Encode;
  readonly #forms: { [coding in Coding]: Buffer | null } = { zstd: null, br: null, gzip: null };
  /** The form that is being made; one at a time. */
  #making: Coding | null = null;
  #bytes = 0;

  /** `onGrowth`: `bytes` has changed. */
  constructor(body: Buffer, onGrowth: () => void, encode: Encode = encodeBest) {
    this.#body = body;
    this.#onGrowth = onGrowth;
    this.#encode = encode;
  }

  /** Bytes of all forms. */
  get bytes(): number {
    return this.#bytes;
  }

  get(coding: Coding): Buffer | null {
    const form = this.#forms[coding];
    if (form === null && this.#making === null) void this.#make(coding);
    return form;
  }

  async #make(coding: Coding): Promise<void> {
    this.#making = coding;
    const form = await this.#encode(coding, this.#body);
    this.#making = null;
    if (form === null) return;
    this.#forms[coding] = form;
    this.#bytes += form.length;
    this.#onGrowth();
  }
}
