// The events of pages in development: who hears of a change, and what a page of older code hears at once.

import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";

import { MAX_WAITING_PAGES, PageReloads } from "../../../src/handlers/development/page-reloads.ts";
import { MemoryEngine, type MemoryStream } from "../../support/memory-engine.ts";

let reloads: PageReloads;
let engine: MemoryEngine;
beforeEach(() => {
  reloads = new PageReloads();
  engine = new MemoryEngine((exchange) => {
    exchange.path = exchange.head.path;
    reloads.handle(exchange);
  });
});

const ask = (path: string, method = "GET"): MemoryStream =>
  engine.request({ path, method, fields: [], bodyLength: 0, protocol: "" });
const heard = ({ chunks }: MemoryStream): string[] =>
  [
    ...Buffer.concat(chunks)
      .toString()
      .matchAll(/event: (.*)\ndata: (.*)\n\n/g),
  ].map(([, event, version]) => `${event} ${version}`);

describe("a page", () => {
  test("hears of changes with the version of the new code", () => {
    const page = ask(`/.typhon/reload?since=${reloads.version}`);
    assert.deepEqual(page.fields.slice(0, 2), [
      ["Content-Type", "text/event-stream"],
      ["Cache-Control", "no-store"],
    ]);
    assert.deepEqual(heard(page), []);
    const before = reloads.version;
    reloads.begin();
    assert.notEqual(reloads.version, before);
    reloads.tell("page");
    reloads.begin();
    reloads.tell("styles");
    const [first = "", second = ""] = heard(page);
    assert.match(first, /^page /);
    assert.equal(second, `styles ${reloads.version}`);
  });

  test("of older code, or of another process, hears so at once", () => {
    const { version } = reloads;
    reloads.begin();
    for (const query of [`?since=${version}`, "?since=older-0", "?since=", ""])
      assert.deepEqual(heard(ask(`/.typhon/reload${query}`)), [`page ${reloads.version}`]);
  });

  test("that leaves is forgotten", () => {
    const page = ask("/.typhon/reload");
    page.leave();
    reloads.tell("page");
    assert.equal(heard(page).length, 1);
  });

  test("that waits for longest ends when there are too many", () => {
    const pages = Array.from({ length: MAX_WAITING_PAGES }, () => ask("/.typhon/reload"));
    assert(pages.every(({ state }) => state === "open"));
    ask("/.typhon/reload");
    assert.deepEqual([pages[0]?.state, pages[1]?.state], ["whole", "open"]);
  });

  test("does not hold up the end of the server", () => {
    const page = ask("/.typhon/reload");
    reloads.close();
    assert.equal(page.state, "whole");
  });
});

test("the script and the style sheet are served, and nothing else", () => {
  assert.match(Buffer.concat(ask("/.typhon/reload.js").chunks).toString(), /EventSource/);
  assert.match(Buffer.concat(ask("/.typhon/error.css").chunks).toString(), /details|summary/);
  assert.equal(ask("/.typhon/other").status, 404);
  assert.equal(ask("/.typhon").status, 404);
  assert.equal(ask("/.typhon/reload", "HEAD").state, "whole");
});
