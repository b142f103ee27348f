// A real browser: Debian's Chromium without a window, led over the DevTools protocol by two pipes. The end of the
// pipes ends the browser, whatever has ended the test. A page gathers what went wrong while it was shown, and
// every request that it made.

import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { Readable, Writable } from "node:stream";

import { PATIENCE_MS, until, within } from "./deadline.ts";
import { makeScratch, type Scope } from "./scratch.ts";

/** Debian's name; tools/setup-debian.sh installs it. */
const COMMAND = "chromium";

type Fields = Readonly<Record<string, unknown>>;

/** One request of a page, with the response's head when that has come. */
export interface PageRequest {
  url: string;
  /** Names in lower case. */
  fields: Readonly<Record<string, string>>;
  /** As it came on the wire: 304 where the page sees the kept 200. 0: none yet. */
  status: number;
  responseFields: Readonly<Record<string, string>>;
}

/** A running browser; it ends with the scope. */
export class Chromium {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, (reply: Fields) => void>();
  readonly #pages = new Map<string, Page>();
  readonly #commands: Writable;
  /** The begin of a message that has not come whole. */
  #text = "";
  #lastId = 0;

  private constructor(folder: string, words: readonly string[]) {
    const given = [
      "--headless=new",
      // As root Chromium has no sandbox. Every page of these tests is ours.
      "--no-sandbox",
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--disable-background-networking",
      "--no-first-run",
      "--mute-audio",
      "--autoplay-policy=no-user-gesture-required",
      "--remote-debugging-pipe",
      `--user-data-dir=${folder}`,
    ];
    this.#process = spawn(COMMAND, [...given, ...words, "about:blank"], {
      detached: true,
      env: { ...process.env, HOME: folder },
      // Chromium reads commands from the fourth descriptor and writes to the fifth.
      stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
    });
    const [, , , commands, messages] = this.#process.stdio;
    assert(commands instanceof Writable && messages instanceof Readable);
    this.#commands = commands;
    commands.on("error", () => undefined); // The browser has ended; the reply that is missing fails the test.
    messages.setEncoding("utf8").on("data", (text: string) => this.#split(text));
  }

  /** Starts the browser; `words`: more of its options. */
  static async start(scope: Scope, words: readonly string[] = []): Promise<Chromium> {
    const self = new Chromium(makeScratch(scope), words);
    scope.after(() => self.#end());
    await self.send("Browser.getVersion");
    return self;
  }

  /** An empty page, with a cache of its own. */
  async open(): Promise<Page> {
    const { browserContextId } = await this.send("Target.createBrowserContext");
    const target = { url: "about:blank", browserContextId };
    const { targetId } = await this.send("Target.createTarget", target);
    const attached = await this.send("Target.attachToTarget", { targetId, flatten: true });
    const session = String(attached["sessionId"]);
    const page = new Page((method, given) => this.send(method, given, session));
    this.#pages.set(session, page);
    for (const domain of ["Page", "Runtime", "Network", "Log"]) await page.send(`${domain}.enable`);
    return page;
  }

  /** Calls a method of the protocol; rejects where the browser refuses it. */
  async send(method: string, params: Fields = {}, sessionId?: string): Promise<Fields> {
    this.#lastId += 1;
    const id = this.#lastId;
    const { promise, resolve } = Promise.withResolvers<Fields>();
    this.#waiting.set(id, resolve);
    const session = sessionId === undefined ? {} : { sessionId };
    this.#commands.write(`${JSON.stringify({ id, method, params, ...session })}\0`);
    const reply = await within(PATIENCE_MS, promise, `the browser's reply to ${method}`);
    assert.equal(reply["error"], undefined, `${method}: ${JSON.stringify(reply["error"])}`);
    return fieldsOf(reply["result"]);
  }

  /** A NUL ends each message. */
  #split(text: string): void {
    const messages = (this.#text + text).split("\0");
    this.#text = messages.pop() ?? "";
    for (const message of messages) this.#receive(fieldsOf(JSON.parse(message)));
  }

  #receive(message: Fields): void {
    const { id, method, sessionId, params } = message;
    if (typeof id === "number") {
      this.#waiting.get(id)?.(message);
      this.#waiting.delete(id);
    } else this.#pages.get(String(sessionId))?.onEvent(String(method), fieldsOf(params));
  }

  async #end(): Promise<void> {
    const ended = once(this.#process, "exit");
    const { pid, exitCode, signalCode } = this.#process;
    // The group holds the browser's own processes as well.
    if (pid !== undefined && exitCode === null && signalCode === null) {
      process.kill(-pid, "SIGKILL");
      await ended;
    }
  }
}

/** A page of the browser. */
export class Page {
  /** Errors of scripts, console errors, and requests that failed. */
  readonly errors: string[] = [];
  readonly #send: (method: string, params: Fields) => Promise<Fields>;
  readonly #requests = new Map<string, PageRequest>();
  #loads = 0;

  constructor(send: (method: string, params: Fields) => Promise<Fields>) {
    this.#send = send;
  }

  /** Every request since the page was opened, in the order of their sending. */
  get requests(): PageRequest[] {
    return [...this.#requests.values()];
  }

  /** The requests for URLs that end so. */
  requestsFor(end: string): PageRequest[] {
    return this.requests.filter(({ url }) => url.endsWith(end));
  }

  async send(method: string, params: Fields = {}): Promise<Fields> {
    return await this.#send(method, params);
  }

  /** Shows a URL and waits until all that the page names has loaded. */
  async show(url: string): Promise<void> {
    await this.#load(() => this.send("Page.navigate", { url }));
  }

  /** Waits until the page, which may be loading, shows something. */
  async shows(text: RegExp): Promise<void> {
    await until(`the page shows ${String(text)}`, async () => {
      const shown = await this.run("document.body?.innerText ?? ''").catch(() => "");
      return text.test(String(shown));
    });
  }

  /** Shows the page again, as the button does: with conditional requests. */
  async reload(): Promise<void> {
    await this.#load(() => this.send("Page.reload"));
  }

  /** The value of an expression in the page; a promise is awaited. */
  async run(expression: string): Promise<unknown> {
    const params = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", params);
    assert.equal(exceptionDetails, undefined, JSON.stringify(exceptionDetails));
    return fieldsOf(result)["value"];
  }

  onEvent(method: string, params: Fields): void {
    if (method === "Page.loadEventFired") this.#loads += 1;
    else if (method === "Runtime.exceptionThrown")
      this.errors.push(JSON.stringify(params["exceptionDetails"]));
    else if (method === "Runtime.consoleAPICalled" && params["type"] === "error")
      this.errors.push(JSON.stringify(params["args"]));
    else if (method === "Log.entryAdded") this.#onLog(fieldsOf(params["entry"]));
    else if (method === "Network.loadingFailed") this.#onFailure(params);
    else if (method.startsWith("Network.")) this.#onNetwork(method, params);
  }

  async #load(begin: () => Promise<Fields>): Promise<void> {
    const loads = this.#loads;
    await begin();
    await until("the page has loaded", () => this.#loads > loads);
  }

  #onLog({ level, text, url }: Fields): void {
    if (level === "error") this.errors.push(`${String(text)} ${String(url)}`);
  }

  #onFailure({ requestId, errorText, canceled }: Fields): void {
    // A player stops a request whose bytes it does not need.
    if (canceled === true) return;
    const url = this.#requests.get(String(requestId))?.url ?? "";
    this.errors.push(`${url}: ${String(errorText)}`);
  }

  // The fields and the status of the wire come in events of their own, before or after the others.
  #onNetwork(method: string, params: Fields): void {
    const id = String(params["requestId"]);
    if (method === "Network.requestWillBeSent") {
      // A redirect is a second request with the id of the first.
      if (params["redirectResponse"] !== undefined) this.#setAside(id);
      const { url, headers } = fieldsOf(params["request"]);
      const request = this.#at(id);
      request.url = String(url);
      request.fields = { ...textsOf(headers), ...request.fields };
    } else if (method === "Network.requestWillBeSentExtraInfo") {
      const request = this.#at(id);
      request.fields = { ...request.fields, ...textsOf(params["headers"]) };
    } else if (method === "Network.responseReceivedExtraInfo") {
      const request = this.#at(id);
      request.status = Number(params["statusCode"]);
      request.responseFields = textsOf(params["headers"]);
    }
  }

  #at(id: string): PageRequest {
    const known = this.#requests.get(id);
    if (known !== undefined) return known;
    const made = { url: "", fields: {}, status: 0, responseFields: {} };
    this.#requests.set(id, made);
    return made;
  }

  #setAside(id: string): void {
    const before = this.#requests.get(id);
    if (before === undefined) return;
    this.#requests.delete(id);
    this.#requests.set(`${id} ${this.#requests.size}`, before);
  }
}

function fieldsOf(value: unknown): Fields {
  return Object.fromEntries(Object.entries(Object(value)));
}

function textsOf(value: unknown): Record<string, string> {
  const pairs = Object.entries(fieldsOf(value));
  return Object.fromEntries(pairs.map(([name, text]) => [name.toLowerCase(), String(text)]));
}
