// A site in a real browser: a page of an application with styles, a font, pictures, modules, live events, and
// a video that is sought by ranges; lists of folders, an application of one page, and a second visit, which
// gets 304. Nothing may appear in the browser's console.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { before, test } from "node:test";
import { deflateSync, crc32 } from "node:zlib";

import { Chromium, type Page, type PageRequest } from "../../support/chromium.ts";
import { until } from "../../support/deadline.ts";
import { FILE } from "../../support/file-scope.ts";
import { makeScratch, requirePython } from "../../support/scratch.ts";
import { startTyphon, type Typhon } from "../../support/typhon.ts";
import { makeWebm } from "../../support/webm.ts";

const SIDE = 64;
const SECONDS = 24;
/** More between two frames than a player reads ahead while it is paused at the start. */
const FRAME_BYTES = 2 ** 20;

/** A font in which "A" is three times as wide as it is high; WOFF2. */
const WIDE_FONT =
  "d09GMgABAAAAAAEYAAoAAAAAAnQAAADRAAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAABmAANAowQgE2AiQDCAsGAAQgBVcHIBvOARCeB3bDh8OhxAob72uIh3/u1ftG0rX9g3bSVt6KWccLVNCNKUdveOy+lOPyeClLyqUUDmT+A3+5wXFEAQZACw4yoA60P+Bgg+wxVpajPNnXs1GNP6KRRgZw1wYPpAaowTsAYACJwrESONYGtBZ4WFGNBYAEjcQ6tgENQnTHaAfPHttiuWAxf7MAAsHV34m2d/2/XvUFn6dBqa1JLlASBDWssDUBGoBnLPucQGoBEgAA7UqA0AiQ1rQSvSGs24pIu45mml1S93OjkKH2VjpgAA==";

const APP = `import json, time
from flask import Flask, Response, render_template_string
app = Flask(__name__)
@app.get("/")
def home():
    return render_template_string(PAGE)
@app.get("/rows")
def rows():
    return [{"row": n} for n in range(500)]
@app.get("/events")
def events():
    def made():
        yield "data: first\\n\\n"
        while True:
            time.sleep(0.05)
            yield ":\\n\\n"
    return Response(made(), content_type="text/event-stream")
PAGE = """<!doctype html>
<html lang="en">
<title>Site</title>
<link rel="icon" href="/assets/drawing.svg?icon">
<link rel="stylesheet" href="/assets/style.css">
<script type="module" src="/assets/main.js"></script>
<p id="wide">AAAA</p>
<img id="png" src="/assets/picture.png" alt="">
<img id="svg" src="/assets/drawing.svg" alt="">
<video id="video" src="/assets/film.webm" preload="metadata" muted></video>
"""
`;

let folder: string;
let typhon: Typhon;
let browser: Chromium;

before(async () => {
  folder = makeScratch(FILE);
  browser = await Chromium.start(FILE);
  put("code/web.py", APP);
  put(
    "assets/style.css",
    `@font-face { font-family: Wide; src: url("fonts/wide.woff2") format("woff2") }
#wide { font: 20px Wide; display: inline-block; color: rgb(1, 2, 3) }
/* ${"A style sheet of more than a kilobyte. ".repeat(40)} */
`,
  );
  put("assets/fonts/wide.woff2", Buffer.from(WIDE_FONT, "base64"));
  put("assets/picture.png", makePng(7, 5));
  put(
    "assets/drawing.svg",
    '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>',
  );
  put("assets/main.js", 'import { word } from "./words/word.js";\nwindow.word = word;\n');
  put("assets/words/word.js", 'export const word = "loaded";\n');
  put("assets/film.webm", await makeFilm());
  put("icon/favicon.ico", makePng(1, 1));
  put("lists/b 9 & <x>.txt", "nine");
  put("lists/größe/100%.txt", "hundred");
  put(
    "spa/index.html",
    '<!doctype html><script defer src="/spa/app.js"></script><p id="path"></p>',
  );
  put("spa/app.js", 'document.querySelector("#path").textContent = location.pathname;');
  put(
    "typhon.toml",
    `bind = "127.0.0.1:0"
python = ${JSON.stringify(requirePython())}
app = "web:app"
app-dir = "code"
workers = 1
compress = "all"

[[routes]]
path = "/assets"
static = "assets"
cache-control = "no-cache"

[[routes]]
path = "/favicon.ico"
strip-prefix = false
static = "icon"

[[routes]]
path = "/lists"
static = "lists"
listing = true

[[routes]]
path = "/spa"
static = "spa"
fallback = "index.html"
`,
  );
  typhon = await startTyphon(FILE, [], { cwd: folder, defaults: false });
});

function put(name: string, content: string | Buffer): void {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

/** The first half of the film is red, the second blue. */
async function makeFilm(): Promise<Buffer> {
  const page = await browser.open();
  const frameOf = async (color: string): Promise<Buffer> =>
    keyFrameOf(
      await page.run(`(() => {
        const canvas = Object.assign(document.createElement("canvas"), { width: ${SIDE}, height: ${SIDE} });
        const context = canvas.getContext("2d");
        context.fillStyle = "${color}";
        context.fillRect(0, 0, ${SIDE}, ${SIDE});
        return canvas.toDataURL("image/webp", 0.5);
      })()`),
    );
  const [red, blue] = [await frameOf("#f00"), await frameOf("#00f")];
  const frames = Array.from({ length: SECONDS }, (_, at) => (at < SECONDS / 2 ? red : blue));
  return makeWebm(frames, SIDE, FRAME_BYTES);
}

/** The VP8 key frame of a WebP picture in a data URL (RFC 9649). */
function keyFrameOf(url: unknown): Buffer {
  const webp = Buffer.from(String(url).replace(/^.*,/, ""), "base64");
  const chunk = webp.indexOf("VP8 ");
  assert(chunk > 0, "Chromium has made no lossy WebP");
  return webp.subarray(chunk + 8, chunk + 8 + webp.readUInt32LE(chunk + 4));
}

/** A grey picture (RFC 2083). */
function makePng(width: number, height: number): Buffer {
  const chunk = (name: string, content: Buffer): Buffer => {
    const named = Buffer.concat([Buffer.from(name), content]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(content.length);
    sum.writeUInt32BE(crc32(named));
    return Buffer.concat([length, named, sum]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.writeUInt8(8, 8);
  const rows = deflateSync(Buffer.alloc((width + 1) * height));
  const signature = Buffer.from("89504e470d0a1a0a", "hex");
  const end = chunk("IEND", Buffer.alloc(0));
  return Buffer.concat([signature, chunk("IHDR", head), chunk("IDAT", rows), end]);
}

async function visit(path: string): Promise<Page> {
  const page = await browser.open();
  await page.show(typhon.url + path);
  return page;
}

function onlyRequest(page: Page, end: string): PageRequest {
  const found = page.requestsFor(end);
  assert.equal(found.length, 1, `${found.length} requests for ${end}`);
  const [request] = found;
  assert(request !== undefined);
  return request;
}

test("styles, a font, pictures and modules are what they say", async () => {
  const page = await visit("/");
  const seen = await page.run(`document.fonts.ready.then(() => ({
    color: getComputedStyle(wide).color,
    width: Math.round(wide.getBoundingClientRect().width),
    png: [png.naturalWidth, png.naturalHeight],
    svg: [svg.naturalWidth, svg.naturalHeight],
    word: window.word,
  }))`);
  // Four times "A" of 20 px in a font where it is three times as wide.
  const expected = { color: "rgb(1, 2, 3)", width: 240, png: [7, 5], svg: [9, 9], word: "loaded" };
  assert.deepEqual(seen, expected);
  assert.deepEqual(page.errors, []);
  // The browser takes zstd before br: the front chooses.
  const style = onlyRequest(page, "/style.css");
  assert.match(style.fields["accept-encoding"] ?? "", /\bzstd\b/);
  assert.match(style.responseFields["content-encoding"] ?? "", /^(?:zstd|br)$/);
  assert.equal(onlyRequest(page, "/picture.png").responseFields["content-encoding"], undefined);
});

test("a second visit gets 304 for files, and shows the same", async () => {
  const page = await visit("/");
  await page.reload();
  assert.deepEqual(page.errors, []);
  for (const end of ["/style.css", "/main.js", "/word.js", "/wide.woff2", "/picture.png"]) {
    const statuses = (): number[] => page.requestsFor(end).map(({ status }) => status);
    await until(`the browser tells the statuses of ${end}`, () => !statuses().includes(0));
    assert.deepEqual(statuses(), [200, 304], end);
  }
  assert.equal(await page.run("window.word"), "loaded");
});

test("a video is sought by ranges, without its middle", async () => {
  const page = await visit("/");
  const seen = await page.run(`(async () => {
    const colorAt = async (second) => {
      const sought = new Promise((resolve, reject) => {
        video.addEventListener("seeked", resolve, { once: true });
        video.addEventListener("error", () => reject(new Error(video.error.message)), { once: true });
      });
      video.currentTime = second;
      await sought;
      const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
      const context = canvas.getContext("2d");
      context.drawImage(video, 0, 0, 1, 1);
      const [red, , blue] = context.getImageData(0, 0, 1, 1).data;
      return red > blue ? "red" : "blue";
    };
    const colors = [];
    for (const second of [20.5, 2.5, 22.5]) colors.push(await colorAt(second));
    return { colors, duration: video.duration };
  })()`);
  assert.deepEqual(seen, { colors: ["blue", "red", "blue"], duration: SECONDS });
  assert.deepEqual(page.errors, []);
  const requests = page.requestsFor("/film.webm");
  // The player gives some requests up; about a range that the browser has already it only asks (304).
  const statuses = new Set(requests.map(({ status }) => status));
  assert.deepEqual(
    [...statuses].filter((status) => ![0, 206, 304].includes(status)),
    [],
  );
  const ranges = requests.filter(({ status }) => status === 206);
  for (const { responseFields } of ranges)
    assert.match(responseFields["content-range"] ?? "", /^bytes \d+-\d+\/\d+$/);
  const starts = ranges.map(({ fields }) => /^bytes=(\d+)-/.exec(fields["range"] ?? "")?.[1]);
  assert(
    starts.some((start) => Number(start) > FRAME_BYTES * 15),
    `ranges from ${starts.join(", ")}`,
  );
});

test("responses of the application are compressed, and events come while the response goes on", async () => {
  const page = await visit("/");
  assert.equal(
    await page.run("fetch('/rows').then((r) => r.json()).then((all) => all[499].row)"),
    499,
  );
  assert.match(
    onlyRequest(page, "/rows").responseFields["content-encoding"] ?? "",
    /^(?:zstd|br)$/,
  );
  const event = `new Promise((resolve, reject) => {
    const source = new EventSource("/events");
    source.onmessage = ({ data }) => { resolve(data); source.close(); };
    source.onerror = () => reject(new Error("no event"));
  })`;
  assert.equal(await page.run(event), "first");
  assert.deepEqual(page.errors, []);
});

test("a list leads to files with unusual names, from a path without its slash too", async () => {
  const page = await visit("/lists");
  assert.equal(await page.run("location.pathname"), "/lists/");
  const names = "[...document.links].map((link) => link.textContent.trim())";
  const follow = async (name: string): Promise<void> => {
    const link = `[...document.links].find((one) => one.textContent.trim() === ${JSON.stringify(name)})`;
    const href = await page.run(`${link}?.href ?? ${names}.join()`);
    await page.show(String(href));
  };
  const text = "document.body.textContent.trim()";
  await follow("b 9 & <x>.txt");
  assert.equal(await page.run(text), "nine");
  await page.show(`${typhon.url}/lists`);
  await follow("größe/");
  await follow("100%.txt");
  assert.equal(await page.run(text), "hundred");
  assert.deepEqual(page.errors, []);
});

test("an application of one page is shown at each of its paths", async () => {
  const page = await visit("/spa/orders/7");
  assert.equal(await page.run("document.querySelector('#path').textContent"), "/spa/orders/7");
  assert.deepEqual(page.errors, []);
});
