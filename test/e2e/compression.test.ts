// Compression, end to end: Flask, Django, Starlette and files behind one server. What curl and browsers decode is
// what the application sent; conditional requests go on working; streams stay live; slow clients hold little memory.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { promisify } from "node:util";
import * as zlib from "node:zlib";

import { lapse, until } from "../support/deadline.ts";
import { FILE } from "../support/file-scope.ts";
import { isWritten } from "../support/notes.ts";
import { fieldOf, RawClient, type RawResponse } from "../support/raw-client.ts";
import { makeScratch } from "../support/scratch.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";

const run = promisify(execFile);
const BROWSER = "Accept-Encoding: gzip, deflate, br, zstd\r\n";
const STYLE = Array.from({ length: 400 }, (_, index) => `.a${index * 7919} { top: ${index}px }\n`);
const PAGES = ["/flask/page", "/django/page", "/starlette/page"] as const;

let typhon: Typhon;
let folder: string;
let files: string;

before(async () => {
  folder = makeScratch(FILE);
  files = join(folder, "files");
  mkdirSync(files);
  writeFileSync(join(files, "style.css"), STYLE.join(""));
  writeFileSync(join(files, "best.css"), STYLE.join(""));
  writeFileSync(join(files, "long.txt"), STYLE.join("").repeat(200));
  writeFileSync(join(files, "small.txt"), "small");
  writeFileSync(join(files, "picture.png"), STYLE.join(""));
  writeFileSync(join(files, "both.css"), STYLE.join(""));
  writeFileSync(join(files, "both.css.gz"), zlib.gzipSync(STYLE.join("")));
  writeFileSync(
    join(folder, "typhon.toml"),
    `compress = "all"
workers = 1
threads = 8
[apps.flask]
app = "compressed:flask_app"
[apps.django]
app = "compressed:django_app"
[apps.starlette]
app = "compressed:asgi_app"
${["flask", "django", "starlette"]
  .map((name) => `[[routes]]\npath = "/${name}"\napp = "${name}"\n`)
  .join("")}
[[routes]]
path = "/files"
static = "files"
[[routes]]
path = "/off"
static = "files"
compress = "off"
`,
  );
  typhon = await startTyphon(FILE, ["--config", join(folder, "typhon.toml")], {
    cwd: folder,
    env: { GATE_DIR: folder },
  });
});

async function ask(path: string, fields = BROWSER, method = "GET"): Promise<RawResponse> {
  const client = await RawClient.connect(typhon);
  try {
    return await client.ask(`${method} ${path} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`);
  } finally {
    client.destroy();
  }
}

function decoded(response: RawResponse): Buffer {
  const [coding] = response.fields.get("content-encoding") ?? [];
  if (coding === "zstd") return zlib.zstdDecompressSync(response.body);
  if (coding === "br") return zlib.brotliDecompressSync(response.body);
  if (coding === "gzip") return zlib.gunzipSync(response.body);
  return response.body;
}

const codingOf = ({ fields }: RawResponse): string => fields.get("content-encoding")?.[0] ?? "none";

/** Lets a stream go on. */
const open = (name: string, number: number): void =>
  writeFileSync(join(folder, `${name}.${number}`), "");

describe("pages of applications", () => {
  for (const path of PAGES)
    test(`${path}: every coding decodes to the same bytes`, async () => {
      const plain = await ask(path, "");
      assert.equal(codingOf(plain), "none");
      assert.match(fieldOf(plain, "vary"), /Accept-Encoding/);
      for (const coding of ["zstd", "br", "gzip"]) {
        const response = await ask(path, `Accept-Encoding: ${coding}\r\n`);
        assert.equal(codingOf(response), coding);
        assert.ok(decoded(response).equals(plain.body));
        assert.ok(response.body.length < plain.body.length / 2);
        assert.equal(fieldOf(response, "content-length"), String(response.body.length));
      }
    });

  for (const path of PAGES)
    test(`${path}: the tag of a compressed page is weak, and the application knows it`, async (t) => {
      const page = await ask(path);
      const tag = page.fields.get("etag")?.[0] ?? "";
      assert.match(tag, /^W\/"/);
      if (path === "/starlette/page") {
        t.diagnostic("Starlette's plain Response evaluates no conditions");
        return;
      }
      const again = await ask(path, `${BROWSER}If-None-Match: ${tag}\r\n`);
      assert.equal(again.status, 304);
      assert.equal(fieldOf(again, "etag"), tag);
      assert.match(fieldOf(again, "vary"), /Accept-Encoding/);
      const strong = await ask(path, `If-None-Match: ${tag.slice(2)}\r\n`);
      assert.equal(strong.status, 304);
      assert.equal(fieldOf(strong, "etag"), tag.slice(2));
    });

  test("HEAD has the fields of GET", async () => {
    // Django's middleware makes no tag for HEAD.
    for (const path of ["/flask/page", "/starlette/page", "/files/style.css"]) {
      const fieldsOf = async (method: string): Promise<unknown> => {
        const { fields } = await ask(path, BROWSER, method);
        return [...fields].filter(
          ([name]) => !["date", "x-request-id", "content-length"].includes(name),
        );
      };
      assert.deepEqual(await fieldsOf("HEAD"), await fieldsOf("GET"), path);
    }
  });

  test("what the application has coded, or wants as it is, stays so", async () => {
    const own = await ask("/starlette/own/page");
    assert.equal(codingOf(own), "gzip");
    assert.equal(decoded(own).equals((await ask("/starlette/page", "")).body), true);
    for (const query of [
      "Content-Encoding=identity",
      "Cache-Control=no-transform",
      "Content-Type=image/png",
      "Content-Digest=sha-256",
    ]) {
      const response = await ask(`/flask/fields?${query}`);
      const plain = await ask(`/flask/fields?${query}`, "");
      assert.ok(response.body.equals(plain.body), query);
    }
  });

  test("long pages and streams come whole, over one connection and over HTTP/1.0", async () => {
    for (const path of ["/flask/long", "/starlette/long"]) {
      const plain = await ask(path, "");
      const client = await RawClient.connect(typhon);
      for (const coding of ["zstd", "br", "gzip"]) {
        const response = await client.get(path, `Accept-Encoding: ${coding}\r\n`);
        assert.equal(codingOf(response), coding);
        assert.ok(decoded(response).equals(plain.body), `${path} ${coding}`);
      }
      client.write(`GET ${path} HTTP/1.0\r\n${BROWSER}\r\n`);
      const old = await client.readResponse();
      assert.equal(codingOf(old), "zstd");
      assert.ok(decoded(old).equals(plain.body));
      assert.equal(client.state, "ended");
    }
  });

  test("curl decodes each coding that it knows", async () => {
    for (const path of [...PAGES, "/flask/long", "/files/style.css"]) {
      const output = join(folder, "curl.out");
      await run("curl", ["-sSf", "--compressed", "-o", output, `${typhon.url}${path}`]);
      assert.ok(readFileSync(output).equals((await ask(path, "")).body), path);
    }
  });
});

describe("live streams", () => {
  /** Decodes a stream while it comes. */
  async function follow(path: string, name: string, texts: readonly string[]): Promise<void> {
    for (const [coding, decoder] of [
      ["zstd", zlib.createZstdDecompress()],
      ["br", zlib.createBrotliDecompress()],
      ["gzip", zlib.createGunzip()],
    ] as const) {
      const client = await RawClient.connect(typhon);
      const stream = `${name}-${coding}`;
      open(stream, 0);
      client.write(
        `GET ${path}${stream} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: ${coding}\r\n\r\n`,
      );
      const head = await client.readHead();
      assert.deepEqual(head.fields.get("content-encoding"), [coding]);
      const pieces: Buffer[] = [];
      decoder.on("data", (piece: Buffer) => pieces.push(piece));
      const text = (): string => Buffer.concat(pieces).toString();
      for (const [number, expected] of texts.entries()) {
        // The next part is produced only after this one has come.
        if (number > 0) open(stream, number);
        const wanted = texts.slice(0, number + 1).join("");
        while (text() !== wanted) {
          const chunk = await client.readChunk();
          assert.ok(chunk !== null, `${expected} did not come`);
          await new Promise<void>((resolve) => decoder.write(chunk, () => resolve()));
          assert.ok(wanted.startsWith(text()), text());
        }
      }
      let chunk = await client.readChunk();
      while (chunk !== null) chunk = await client.readChunk();
      client.destroy();
      decoder.destroy();
    }
  }

  test("an event arrives before the next one is produced (ASGI)", async () => {
    const texts = [0, 1, 2].map((number) => `data: event ${number}\n\n`);
    await follow("/starlette/events/", "events", texts);
  });

  test("a part of any stream arrives before the next one is produced (WSGI)", async () => {
    const texts = [0, 1, 2].map((number) => `line ${number}\n`);
    await follow("/flask/lines/", "lines", texts);
  });

  test("a stream ends in the application when its client leaves", async () => {
    const client = await RawClient.connect(typhon);
    client.write(`GET /starlette/ticks/left HTTP/1.1\r\nHost: a\r\n${BROWSER}\r\n`);
    await client.readHead();
    await client.readChunk();
    client.socket.resetAndDestroy();
    await until("the stream has ended", () => existsSync(join(folder, "left.ended")));
  });

  test("a WSGI worker is free long before a slow client has what it compresses", async () => {
    const client = await RawClient.connect(typhon);
    client.write(`GET /flask/large/spooled HTTP/1.1\r\nHost: a\r\n${BROWSER}\r\n`);
    client.socket.pause();
    await until("it is whole", () => existsSync(join(folder, "spooled.whole")));
    client.socket.resume();
    const response = await client.readResponse();
    assert.equal(decoded(response).length, 400 * 49_152);
    client.destroy();
  });

  test("an application whose client does not read waits, and the server holds little", async () => {
    const client = await RawClient.connect(typhon);
    client.socket.pause();
    client.write(`GET /flask/endless/slow HTTP/1.1\r\nHost: a\r\n${BROWSER}\r\n`);
    const taken = (): number => {
      const path = join(folder, "slow.taken");
      return isWritten(path) ? Number(readFileSync(path, "utf8")) : -1;
    };
    let last = -1;
    await until("it waits", async () => {
      const stands = taken() > 0 && taken() === last;
      last = taken();
      await lapse(200);
      return stands;
    });
    // Mostly the kernel's buffers: 6 MB on Linux.
    assert.ok(last * 49_152 < 16_777_216, `${last} pieces were taken`);
    client.socket.resetAndDestroy();
    await until("it has ended", () => existsSync(join(folder, "slow.ended")));
  });
});

describe("files", () => {
  test("get their best form soon, and one tag in every form", async () => {
    const plain = await ask("/files/best.css", "");
    const tag = fieldOf(plain, "etag");
    for (const coding of ["zstd", "br", "gzip"]) {
      const sizes = new Set<number>();
      await until("the best form", async () => {
        const response = await ask("/files/best.css", `Accept-Encoding: ${coding}\r\n`);
        assert.equal(codingOf(response), coding);
        assert.equal(fieldOf(response, "etag"), `W/${tag}`);
        assert.equal(response.fields.get("accept-ranges"), undefined);
        assert.ok(decoded(response).equals(plain.body));
        sizes.add(response.body.length);
        return sizes.size === 2;
      });
      const again = await ask("/files/best.css", `${BROWSER}If-None-Match: W/${tag}\r\n`);
      assert.equal(again.status, 304);
      assert.equal(fieldOf(again, "etag"), `W/${tag}`);
      assert.equal(fieldOf(again, "vary"), "Accept-Encoding");
    }
  });

  test("that change are coded anew", async () => {
    const path = join(files, "changing.css");
    for (const text of ["a".repeat(5000), "b".repeat(6000), "c".repeat(5000)]) {
      writeFileSync(path, text);
      await until("the new bytes", async () => {
        const body = decoded(await ask("/files/changing.css")).toString();
        assert.match(body, /^(?:a{5000}|b{6000}|c{5000})$/);
        return body === text;
      });
    }
  });

  test("are read and coded in pieces if they are long", async () => {
    const text = readFileSync(join(files, "long.txt"));
    const response = await ask("/files/long.txt");
    assert.equal(codingOf(response), "zstd");
    assert.ok(decoded(response).equals(text));
  });

  test("have ranges of their plain bytes", async () => {
    const response = await ask("/files/style.css", `${BROWSER}Range: bytes=0-9\r\n`);
    assert.equal(response.status, 206);
    assert.equal(codingOf(response), "none");
    assert.equal(response.text, STYLE.join("").slice(0, 10));
    const weak = await ask(
      "/files/style.css",
      `${BROWSER}Range: bytes=0-9\r\nIf-Range: W/${fieldOf(response, "etag")}\r\n`,
    );
    assert.equal(weak.status, 200);
  });

  test("that are small or pictures are sent as they are; those coded on the disk, too", async () => {
    for (const name of ["small.txt", "picture.png"]) {
      const response = await ask(`/files/${name}`);
      assert.equal(codingOf(response), "none");
      assert.equal(response.fields.get("vary"), undefined);
    }
    const both = await ask("/files/both.css", "Accept-Encoding: gzip\r\n");
    assert.ok(both.body.equals(readFileSync(join(files, "both.css.gz"))));
    const ready = await ask("/files/both.css", "Accept-Encoding: br\r\n");
    assert.equal(codingOf(ready), "br");
    assert.equal(fieldOf(ready, "vary"), "Accept-Encoding");
  });

  test("are not compressed on a route where that is off", async () => {
    const response = await ask("/off/style.css");
    assert.equal(codingOf(response), "none");
    assert.equal(response.fields.get("vary"), undefined);
  });
});
