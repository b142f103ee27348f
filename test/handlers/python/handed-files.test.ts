// Files that an application hands over: by a field that names them, and by a worker's descriptor. Real files and
// a real socket; the worker is the test.

import assert from "node:assert/strict";
import {
  closeSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";

import { FrameType } from "../../../src/workers/frame.ts";
import { until } from "../../support/deadline.ts";
import { fieldOf, RawClient, type RawResponse } from "../../support/raw-client.ts";
import { makeScratch } from "../../support/scratch.ts";
import { HandWorker } from "../hand-worker.ts";

const TEXT = "0123456789".repeat(100);
const OLD = new Date("2024-01-02T03:04:05Z");

interface Files {
  readonly worker: HandWorker;
  readonly client: RawClient;
  /** Has `folder`, a served one, and what lies beside it. */
  readonly place: string;
  readonly folder: string;
}

async function start(
  context: TestContext,
  options: { readonly isTrusted?: boolean; readonly hasRoots?: boolean } = {},
): Promise<Files> {
  const place = makeScratch(context);
  const folder = join(place, "media");
  mkdirSync(join(folder, "private"), { recursive: true });
  writeFileSync(join(folder, "a b.txt"), TEXT);
  writeFileSync(join(folder, "private/page.html"), "<p>");
  writeFileSync(join(folder, "private/.hidden"), "dot");
  writeFileSync(join(place, "outside.txt"), "outside");
  symlinkSync("../outside.txt", join(folder, "link.txt"));
  symlinkSync("media", join(place, "current"));
  const worker = await HandWorker.start(context, {
    interface: "wsgi",
    roots:
      options.hasRoots === false
        ? []
        : [
            { prefix: "", folder: join(place, "nothing") },
            { prefix: "/files", folder: join(place, "nothing") },
            { prefix: "/files", folder: join(place, "current") },
          ],
    isTrustedProxy: () => options.isTrusted === true,
  });
  const client = await RawClient.connect(worker);
  context.after(() => client.destroy());
  return { worker, client, place, folder };
}

/** The response to a request whose application responds with these fields and "the application's own". */
async function respond(
  { worker, client }: Files,
  fields: readonly string[],
  { request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n", status = "200 OK" } = {},
): Promise<RawResponse> {
  client.write(request);
  const { id } = await worker.take();
  const record = [status, ...fields].join("\0");
  worker.head(id, record, "the application's own", { isEnd: true, count: fields.length / 2 });
  return await client.readResponse(request.slice(0, request.indexOf(" ")));
}

const asking = (fields: string, method = "GET"): { readonly request: string } => ({
  request: `${method} / HTTP/1.1\r\nHost: h\r\n${fields}\r\n\r\n`,
});

describe("a field that names a file", () => {
  it("sends the file with the fields of the application, and the file's length", async (context) => {
    const files = await start(context);
    const response = await respond(files, [
      "Content-Type",
      "application/x-own",
      "Content-Length",
      "21",
      "Content-Disposition",
      "attachment",
      "Set-Cookie",
      "a=1",
      "Set-Cookie",
      "b=2",
      "X-Accel-Expires",
      "60",
      "X-SendFile",
      join(files.folder, "a b.txt"),
    ]);
    assert.deepEqual([response.status, response.text], [200, TEXT]);
    assert.equal(fieldOf(response, "content-type"), "application/x-own");
    assert.equal(fieldOf(response, "content-length"), "1000");
    assert.equal(fieldOf(response, "content-disposition"), "attachment");
    assert.deepEqual(response.fields.get("set-cookie"), ["a=1", "b=2"]);
    assert.equal(fieldOf(response, "accept-ranges"), "bytes");
    assert.match(fieldOf(response, "etag"), /^"[0-9a-f]+-3e8/);
    assert.match(fieldOf(response, "last-modified"), /GMT$/);
    const names = [...response.fields.keys()];
    assert.ok(!names.some((name) => name.startsWith("x-accel") || name === "x-sendfile"));
    await until("the file is closed", () => files.worker.fileCount.open === 0);
  });

  it("takes X-Accel-Redirect for a URL below the prefix of a folder", async (context) => {
    const files = await start(context);
    for (const [target, text] of [
      ["/files/a%20b.txt", TEXT],
      ["/files//private/../a%20b.txt?v=1", TEXT],
      ["/files/private/page.html", "<p>"],
      ["/files/private/.hidden", "dot"],
    ] as const)
      assert.equal((await respond(files, ["X-Accel-Redirect", target])).text, text, target);
    const typed = await respond(files, ["X-Accel-Redirect", "/files/private/page.html"]);
    assert.equal(fieldOf(typed, "content-type"), "text/html; charset=utf-8");
  });

  it("takes X-Sendfile for a path below a folder, whatever links lead to the folder", async (context) => {
    const files = await start(context);
    for (const name of ["media", "current", "media/../current/private/.."])
      assert.equal(
        (
          await respond(files, [
            "X-Sendfile",
            join(files.place, "x").replace(/x$/, `${name}/a b.txt`),
          ])
        ).text,
        TEXT,
        name,
      );
  });

  it("takes text that is no UTF-8 for latin-1", async (context) => {
    const files = await start(context);
    writeFileSync(join(files.folder, "é.txt"), "accent");
    for (const name of ["\xe9.txt", "\xc3\xa9.txt"])
      assert.equal((await respond(files, ["X-Sendfile", join(files.folder, name)])).text, "accent");
    assert.equal((await respond(files, ["X-Accel-Redirect", "/files/%C3%A9.txt"])).text, "accent");
  });

  it("is 404 for what is missing, is no file, or lies outside, and the log says which", async (context) => {
    const files = await start(context);
    const { folder, place, worker } = files;
    const orders: readonly (readonly [string, string])[] = [
      ["X-Sendfile", join(folder, "missing.txt")],
      ["X-Sendfile", folder],
      ["X-Sendfile", `${folder}/a b.txt/`],
      ["X-Sendfile", `${folder}/../outside.txt`],
      ["X-Sendfile", join(place, "outside.txt")],
      ["X-Sendfile", join(folder, "link.txt")],
      ["X-Sendfile", "a b.txt"],
      ["X-Sendfile", `${folder}-sibling/a b.txt`],
      ["X-Accel-Redirect", "/files/../outside.txt"],
      ["X-Accel-Redirect", "/files/%2e%2e/outside.txt"],
      ["X-Accel-Redirect", "/files/link.txt"],
      ["X-Accel-Redirect", "/files/a b.txt%00"],
      ["X-Accel-Redirect", "/files/"],
      ["X-Accel-Redirect", "/filesa b.txt"],
      ["X-Accel-Redirect", "/elsewhere/a"],
      ["X-Accel-Redirect", "@named"],
      ["X-Accel-Redirect", "files/a b.txt"],
    ];
    const first = await respond(files, ["X-Sendfile", join(folder, "nothing")]);
    for (const [name, value] of orders) {
      const response = await respond(files, [name, value]);
      assert.deepEqual([response.status, response.text], [404, first.text], value);
      assert.ok(worker.faults.at(-1)?.startsWith(`${name}: "`), worker.faults.at(-1));
    }
    assert.equal(worker.fileCount.open, 0);
  });

  it("obeys conditions and ranges of a GET with status 200", async (context) => {
    const files = await start(context);
    const order = ["X-Sendfile", join(files.folder, "a b.txt")];
    const whole = await respond(files, order);
    const etag = fieldOf(whole, "etag");
    const unchanged = await respond(files, [...order, "Cache-Control", "private"], {
      ...asking(`If-None-Match: ${etag}`),
    });
    assert.deepEqual([unchanged.status, unchanged.text], [304, ""]);
    assert.equal(fieldOf(unchanged, "cache-control"), "private");
    const part = await respond(files, order, asking("Range: bytes=10-19"));
    assert.deepEqual([part.status, part.text], [206, "0123456789"]);
    assert.equal(fieldOf(part, "content-range"), "bytes 10-19/1000");
    const several = await respond(files, order, asking("Range: bytes=0-0, 500-501"));
    assert.match(fieldOf(several, "content-type"), /^multipart\/byteranges/);
    assert.equal((await respond(files, order, asking("Range: bytes=5000-"))).status, 416);
    assert.equal((await respond(files, order, asking('If-Match: "other"'))).status, 412);
    const other = { status: "201 Created", ...asking("Range: bytes=10-19") };
    assert.deepEqual((await respond(files, order, other)).text, TEXT);
    const posted = await respond(
      files,
      order,
      asking("Range: bytes=0-1\r\nContent-Length: 0", "POST"),
    );
    assert.equal(posted.text, TEXT);
    const refused = await respond(files, [...order, "Accept-Ranges", "none"], {
      ...asking("Range: bytes=10-19"),
    });
    assert.equal(refused.text, TEXT);
    await until("the files are closed", () => files.worker.fileCount.open === 0);
  });

  it("finds a range anew that the application has found (Flask)", async (context) => {
    const files = await start(context);
    const found = [
      "Content-Length",
      "3",
      "Content-Range",
      "bytes 5-7/1000",
      "Accept-Ranges",
      "bytes",
    ];
    const order = ["X-Sendfile", join(files.folder, "a b.txt"), ...found];
    const asked = { status: "206 PARTIAL CONTENT", ...asking("Range: bytes=5-7") };
    const part = await respond(files, order, asked);
    assert.deepEqual([part.status, part.text], [206, "567"]);
    assert.equal(fieldOf(part, "content-range"), "bytes 5-7/1000");
    assert.equal(fieldOf(part, "content-length"), "3");
  });

  it("has its own validators where the application has given none", async (context) => {
    const files = await start(context);
    const own = ["ETag", '"own"', "Last-Modified", OLD.toUTCString()];
    const order = ["X-Sendfile", join(files.folder, "a b.txt"), ...own];
    const response = await respond(files, order, asking('If-None-Match: "own"'));
    assert.equal(response.status, 304);
    assert.equal(fieldOf(response, "etag"), '"own"');
  });

  it("tells HEAD what it tells GET", async (context) => {
    const files = await start(context);
    const order = ["X-Sendfile", join(files.folder, "a b.txt")];
    const got = await respond(files, order);
    const told = await respond(files, order, asking("X: y", "HEAD"));
    assert.equal(told.text, "");
    assert.deepEqual([...told.fields.keys()], [...got.fields.keys()]);
    assert.equal(fieldOf(told, "content-length"), "1000");
  });

  it("does nothing where the response has no body", async (context) => {
    const files = await start(context);
    const order = ["X-Sendfile", join(files.folder, "a b.txt")];
    const response = await respond(files, order, { status: "304 NOT MODIFIED" });
    assert.deepEqual([response.status, response.fields.has("x-sendfile")], [304, false]);
  });

  it("frees a worker that still sends a body", async (context) => {
    const { worker, client, folder } = await start(context);
    client.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    const { id } = await worker.take();
    worker.head(id, `200 OK\0X-Sendfile\0${folder}/a b.txt`, "first", { count: 1 });
    const cancel = await worker.hear(FrameType.CANCEL);
    assert.equal(cancel.id, id);
    worker.say(FrameType.BODY, id, "more");
    assert.equal((await client.readResponse()).text, TEXT);
    worker.say(FrameType.BODY, id, "", { isEnd: true });
    assert.equal(worker.table.size, 0);
  });

  it("is 503 while too many files are open", async (context) => {
    const files = await start(context);
    files.worker.fileCount.limit = 0;
    const response = await respond(files, ["X-Sendfile", join(files.folder, "a b.txt")]);
    assert.equal(response.status, 503);
    assert.match(files.worker.faults.join(), /cannot be read: EMFILE/);
  });

  it("without declared folders reaches a trusted proxy, and nobody else", async (context) => {
    for (const isTrusted of [true, false]) {
      const files = await start(context, { hasRoots: false, isTrusted });
      const response = await respond(files, [
        "X-Accel-Redirect",
        "/internal/a",
        // Flask's, of the file.
        "Content-Length",
        "5000",
        "X-Sendfile",
        "/srv/a",
        "X-Accel-Limit-Rate",
        "10",
        "X-Accel-Buffering",
        "no",
      ]);
      assert.deepEqual([response.status, response.text], [200, "the application's own"]);
      for (const name of ["x-accel-redirect", "x-sendfile", "x-accel-limit-rate"])
        assert.equal(response.fields.has(name), isTrusted, name);
      assert.equal(fieldOf(response, "x-accel-buffering"), "no");
      assert.deepEqual(files.worker.faults, []);
    }
  });
});

describe("a file that a worker offers", () => {
  /** A request, and the kernel's path of a descriptor of the worker, which is this process. */
  async function offer(
    context: TestContext,
    record: string,
    { method = "GET", fields = "", offset = 0, length = 1000 } = {},
  ): Promise<Files & { readonly id: number; readonly path: string; readonly close: () => void }> {
    const files = await start(context);
    const { worker, client, folder } = files;
    client.write(`${method} / HTTP/1.1\r\nHost: h\r\n${fields}\r\n`);
    const { id } = await worker.take();
    const fd = openSync(join(folder, "a b.txt"), "r");
    const path = `/proc/${process.pid}/fd/${fd}`;
    const count = (record.split("\0").length - 1) / 2;
    worker.file(id, record, count, { path, offset, length });
    return { ...files, id, path, close: () => closeSync(fd) };
  }

  /** The worker hears that the file is open, and ends the request. */
  async function finish({ worker, id, close }: Awaited<ReturnType<typeof offer>>): Promise<void> {
    const told = await worker.hear(FrameType.FILE_RESULT);
    assert.deepEqual([told.id, told.count], [id, 1]);
    close();
    worker.say(FrameType.BODY, id, "", { isEnd: true });
    assert.equal(worker.table.size, 0);
  }

  it("is sent after its worker is free, also where its name is gone", async (context) => {
    const offered = await offer(context, "200 OK\0X-A\0b", { offset: 5, length: 20 });
    rmSync(join(offered.folder, "a b.txt"));
    await finish(offered);
    const response = await offered.client.readResponse();
    assert.deepEqual([response.status, response.text], [200, "56789012345678901234"]);
    assert.equal(fieldOf(response, "content-length"), "20");
    assert.equal(fieldOf(response, "x-a"), "b");
    assert.ok((offered.worker.finished[0]?.handling.runMs ?? -1) >= 0);
    await until("the file is closed", () => offered.worker.fileCount.open === 0);
  });

  it("has no ranges, unless the application leaves them to the server", async (context) => {
    const fields = 'Range: bytes=2-4\r\nIf-Match: "e"\r\n';
    const cases: readonly (readonly [string, number, string])[] = [
      ["200 OK\0Content-Length\x0020", 200, "56789012345678901234"],
      ["200 OK\0Accept-Ranges\0none", 200, "56789012345678901234"],
      ['200 OK\0ETag\0"e"\0Accept-Ranges\0bytes', 206, "789"],
      ['200 OK\0ETag\0"f"\0Accept-Ranges\0bytes', 412, ""],
      ["206 Partial Content\0Accept-Ranges\0bytes", 206, "56789012345678901234"],
      ["200 OK\0Content-Range\0bytes 0-1/2\0Accept-Ranges\0bytes", 200, "56789012345678901234"],
    ];
    for (const [record, status, text] of cases) {
      const offered = await offer(context, record, { fields, offset: 5, length: 20 });
      await finish(offered);
      const response = await offered.client.readResponse();
      assert.equal(response.status, status, record);
      if (status !== 412) assert.equal(response.text, text, record);
    }
  });

  it("tells HEAD its length", async (context) => {
    const offered = await offer(context, "200 OK", { method: "HEAD", length: 20 });
    await finish(offered);
    const response = await offered.client.readResponse("HEAD");
    assert.equal(fieldOf(response, "content-length"), "20");
    assert.equal(offered.worker.fileCount.open, 0);
  });

  it("is left to its worker where it cannot be opened, is too short, or too many are open", async (context) => {
    const faults: readonly ((files: Files, path: string) => { path: string; length: number })[] = [
      ({ place }) => ({ path: join(place, "missing"), length: 10 }),
      ({ place }) => ({ path: place, length: 10 }),
      (_, path) => ({ path, length: 1001 }),
      ({ worker }, path) => {
        worker.fileCount.limit = 0;
        return { path, length: 10 };
      },
    ];
    for (const fault of faults) {
      const files = await start(context);
      const { worker, client, folder } = files;
      client.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
      const { id } = await worker.take();
      worker.file(id, "200 OK", 0, { offset: 0, ...fault(files, join(folder, "a b.txt")) });
      assert.equal((await worker.hear(FrameType.FILE_RESULT)).count, 0);
      worker.head(id, "200 OK", "by hand", { isEnd: true });
      assert.equal((await client.readResponse()).text, "by hand");
      assert.equal(worker.fileCount.open, 0);
    }
  });

  it("is closed where its client leaves meanwhile", async (context) => {
    const offered = await offer(context, "200 OK");
    offered.client.destroy();
    // Either frame lets the worker end the request.
    const told = await until("the worker is told", () => offered.worker.told.shift());
    assert.ok(told.type === FrameType.CANCEL || told.type === FrameType.FILE_RESULT);
    await until("the file is closed", () => offered.worker.fileCount.open === 0);
    offered.close();
    offered.worker.say(FrameType.BODY, offered.id, "", { isEnd: true });
    assert.equal(offered.worker.table.size, 0);
  });

  it("goes on although its worker dies or fails after it", async (context) => {
    for (const end of ["died", "failed"] as const) {
      const offered = await offer(context, "200 OK");
      const { worker, id } = offered;
      assert.equal((await worker.hear(FrameType.FILE_RESULT)).count, 1);
      if (end === "died") worker.die();
      else worker.say(FrameType.FAULT, id, "close() raised");
      assert.equal((await offered.client.readResponse()).text, TEXT);
      assert.deepEqual(worker.faults, end === "died" ? [] : ["close() raised"]);
      offered.close();
    }
  });

  it("is a fault where its head must not be sent", async (context) => {
    const offered = await offer(context, "200 OK\0Bad Name\0x");
    assert.equal((await offered.client.readResponse()).status, 500);
    assert.equal(offered.worker.fileCount.open, 0);
    offered.close();
  });

  it("is another file where the head names one", async (context) => {
    const place = makeScratch(context);
    writeFileSync(join(place, "body"), "the body");
    const files = await start(context);
    const { worker, client, folder } = files;
    client.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    const { id } = await worker.take();
    const part = { path: join(place, "body"), offset: 0, length: 8 };
    worker.file(id, `200 OK\0X-Sendfile\0${folder}/a b.txt`, 1, part);
    await worker.hear(FrameType.CANCEL);
    assert.equal((await client.readResponse()).text, TEXT);
  });

  it("cuts the response where the file becomes shorter while it is sent", async (context) => {
    const { worker, client, folder } = await start(context);
    const path = join(folder, "large");
    writeFileSync(path, Buffer.alloc(64_000_000, "x"));
    client.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    const { id } = await worker.take();
    worker.file(id, "200 OK", 0, { path, offset: 0, length: 64_000_000 });
    assert.equal((await worker.hear(FrameType.FILE_RESULT)).count, 1);
    const head = await client.readHead();
    assert.deepEqual(head.fields.get("content-length"), ["64000000"]);
    truncateSync(path, 1_000_000);
    const sent = await client.readUntilCut();
    assert.ok(sent.length < 64_000_000);
    await until("the file is closed", () => worker.fileCount.open === 0);
  });
});
