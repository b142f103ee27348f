// Pages in place of the server's own texts for errors: a folder with 404.html, 50x.html, 4xx.html. The pages are
// read at the start and at each reload, and kept in memory; they are static, and an application's own error
// responses stay as they are.

import { constants } from "node:fs";
import { open, readdir } from "node:fs/promises";
import { join } from "node:path";

import { OperatorError } from "../../config/operator-error.ts";
import type { HttpError } from "../../http/error.ts";
import type { ResponseHead } from "../../http/message.ts";
import { responseHead } from "../../http/response-head.ts";
import { reasonPhrase } from "../../http/status.ts";
import { keptCopy } from "../../net/buffer-pool.ts";

const PAGE = /^([45](?:\d\d|\dx|xx))\.html$/;
const MAX_PAGES = 64;
const MAX_PAGE_BYTES = 262_144;

type Page = readonly [head: ResponseHead, body: Buffer];

export class ErrorPages {
  /** By "404", "40x", "4xx". */
  readonly #bodies: ReadonlyMap<string, Buffer>;
  readonly #pages = new WeakMap<HttpError, Page>();

  private constructor(bodies: ReadonlyMap<string, Buffer>) {
    this.#bodies = bodies;
  }

  /** Reads the pages of a folder. Rejects with OperatorError. */
  static async open(folder: string): Promise<ErrorPages> {
    const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
      throw new OperatorError(
        `error pages ${folder}: cannot be read (${error.code ?? error.message})`,
      );
    });
    const bodies = new Map<string, Buffer>();
    for (const name of names) {
      const pattern = PAGE.exec(name)?.[1];
      if (pattern === undefined) continue;
      if (bodies.size >= MAX_PAGES)
        throw new OperatorError(`error pages ${folder}: at most ${MAX_PAGES} pages are kept`);
      bodies.set(pattern, keptCopy([await readPage(join(folder, name))]));
    }
    return new ErrorPages(bodies);
  }

  /** The page for an error: of its status, else of its pattern; null = none. */
  of(error: HttpError): Page | null {
    const known = this.#pages.get(error);
    if (known !== undefined) return known;
    const status = String(error.status);
    const keys = [status, `${status.slice(0, 2)}x`, `${status.slice(0, 1)}xx`];
    const body = keys.map((key) => this.#bodies.get(key)).find((one) => one !== undefined);
    if (body === undefined) return null;
    const fields: HttpError["fields"] = [
      ["Content-Type", "text/html; charset=utf-8"],
      ...error.fields,
    ];
    const page: Page = [responseHead(error.status, reasonPhrase(error.status), fields), body];
    this.#pages.set(error, page);
    return page;
  }
}

async function readPage(path: string): Promise<Buffer> {
  // O_NONBLOCK: a FIFO would hold a thread, and the start or reload, for ever.
  const flags = constants.O_RDONLY | constants.O_NONBLOCK;
  const file = await open(path, flags).catch((error: NodeJS.ErrnoException) => {
    throw new OperatorError(`error page ${path}: cannot be read (${error.code ?? error.message})`);
  });
  try {
    const found = await file.stat();
    if (!found.isFile()) throw new OperatorError(`error page ${path}: is no file`);
    if (found.size > MAX_PAGE_BYTES)
      throw new OperatorError(`error page ${path}: larger than ${MAX_PAGE_BYTES} bytes`);
    return await file.readFile();
  } finally {
    await file.close();
  }
}
