// The documentation site (npm run docs) in a real browser, served by Typhon: its search finds a page, and nothing is
// asked of another host.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";

import { Chromium } from "../../support/chromium.ts";
import { until } from "../../support/deadline.ts";
import { CHECKOUT } from "../../support/scratch.ts";
import { startTyphon } from "../../support/typhon.ts";

test("the search of the documentation finds a page without another host", async (t) => {
  const site = await startTyphon(t, [join(CHECKOUT, ".docs/site"), "--bind", "127.0.0.1:0"], {
    defaults: false,
  });
  const page = await (await Chromium.start(t)).open();
  await page.show(`${site.url}/`);
  await page.run(`(() => {
    const field = document.querySelector("input.md-search__input");
    field.focus();
    field.value = "stateless sessions MCP";
    field.dispatchEvent(new KeyboardEvent("keyup", { bubbles: true }));
    field.dispatchEvent(new Event("input", { bubbles: true }));
  })()`);
  const found = await until("the search has results", async () => {
    const links = await page.run(
      `[...document.querySelectorAll("a.md-search-result__link")].map((link) => link.href).join(" ")`,
    );
    return typeof links === "string" && links !== "" ? links : null;
  });
  assert.match(found, /\/docs\/guide\/mcp\.html/);
  const others = page.requests.map(({ url }) => url).filter((url) => !url.startsWith(site.url));
  assert.deepEqual(
    others.filter((url) => !/^(?:data|blob):/.test(url)),
    [],
  );
  assert.deepEqual(page.errors, []);
});
