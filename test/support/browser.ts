// A small browser: keeps cookies, follows redirects by GET, posts forms. It uses fetch, so that another
// implementation of HTTP reads the server's responses.

import assert from "node:assert/strict";

import { PATIENCE_MS } from "./deadline.ts";

const MAX_REDIRECTS = 5;

export interface Page {
  readonly status: number;
  /** Path and query of the page that was shown in the end. */
  readonly path: string;
  readonly html: string;
  readonly headers: Headers;
}

export class Browser {
  readonly #base: string;
  readonly #cookies = new Map<string, string>();

  constructor(base: string) {
    this.#base = base;
  }

  cookie(name: string): string | undefined {
    return this.#cookies.get(name);
  }

  get(path: string): Promise<Page> {
    return this.#visit("GET", path, null);
  }

  post(path: string, form: Readonly<Record<string, string>> | FormData): Promise<Page> {
    return this.#visit("POST", path, form instanceof FormData ? form : new URLSearchParams(form));
  }

  async #visit(
    method: string,
    path: string,
    body: URLSearchParams | FormData | null,
  ): Promise<Page> {
    let url = new URL(path, this.#base);
    let answer = await this.#send(method, url, body);
    for (let hop = 0; answer.status >= 301 && answer.status <= 303; hop += 1) {
      assert(hop < MAX_REDIRECTS, `redirected more than ${MAX_REDIRECTS} times`);
      await answer.arrayBuffer();
      url = new URL(answer.headers.get("location") ?? "", url);
      answer = await this.#send("GET", url, null);
    }
    const html = await answer.text();
    return {
      status: answer.status,
      path: url.pathname + url.search,
      html,
      headers: answer.headers,
    };
  }

  async #send(
    method: string,
    url: URL,
    body: URLSearchParams | FormData | null,
  ): Promise<Response> {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const answer = await fetch(url, {
      method,
      body,
      redirect: "manual",
      signal: AbortSignal.timeout(PATIENCE_MS),
      headers: { ...(cookie === "" ? {} : { cookie }), referer: this.#base, origin: this.#base },
    });
    for (const line of answer.headers.getSetCookie()) this.#keep(line);
    return answer;
  }

  #keep(line: string): void {
    const [pair = ""] = line.split(";");
    const equals = pair.indexOf("=");
    const name = pair.slice(0, equals).trim();
    const value = pair.slice(equals + 1).trim();
    if (value === "" || value === '""' || /max-age=0\b/i.test(line)) this.#cookies.delete(name);
    else this.#cookies.set(name, value);
  }
}
