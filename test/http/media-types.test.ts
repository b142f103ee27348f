// The Content-Type of files by their names.

import assert from "node:assert/strict";
import { test } from "node:test";

import { contentTypeOf, hasKnownEnding } from "../../src/http/media-types.ts";

test("text is UTF-8, other types have no charset, unknown files are bytes", () => {
  const types = {
    "index.html": "text/html; charset=utf-8",
    "app.JS": "text/javascript; charset=utf-8",
    "a.b.css": "text/css; charset=utf-8",
    "data.json": "application/json",
    "logo.svg": "image/svg+xml",
    "font.woff2": "font/woff2",
    "film.mp4": "video/mp4",
    "code.wasm": "application/wasm",
    README: "application/octet-stream",
    html: "application/octet-stream",
    ".html": "application/octet-stream",
    "a.constructor": "application/octet-stream",
    "a.unheard-of": "application/octet-stream",
  };
  for (const [name, type] of Object.entries(types)) assert.equal(contentTypeOf(name), type, name);
});

test("an ending is known if there are files of it", () => {
  for (const name of ["a.js", "b.png", "c.map"]) assert(hasKnownEnding(name), name);
  for (const name of ["john.doe", "v1.2", "about", ""]) assert(!hasKnownEnding(name), name);
});
