// Files that applications hand over, by the helpers of Flask, Django, FastAPI and Starlette as their own
// documentation has them: what the client gets, and that the only worker is free while the client reads.

import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";

import { until } from "../support/deadline.ts";
import { FILE } from "../support/file-scope.ts";
import { fieldOf, getOnce, RawClient, type RawResponse } from "../support/raw-client.ts";
import { listDescriptors } from "../support/processes.ts";
import { makeScratch } from "../support/scratch.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";

const SMALL = "0123456789".repeat(10);
/** Larger than all that a server may keep in memory for one client. */
const HUGE_BYTES = 100_000_000;
const LAST = "the last bytes";

let folder: string;
let wsgi: Typhon;
/** FastAPI with --pathsend and without. */
let paths: Typhon;
let pieces: Typhon;

before(async () => {
  folder = makeScratch(FILE);
  mkdirSync(join(folder, "media"));
  const media = join(folder, "media");
  writeFileSync(join(media, "small.txt"), SMALL);
  writeFileSync(join(media, "huge.bin"), "");
  truncateSync(join(media, "huge.bin"), HUGE_BYTES - LAST.length);
  writeFileSync(join(media, "huge.bin"), LAST, { flag: "a" });
  writeFileSync(join(folder, "secret.txt"), "secret");
  symlinkSync("../secret.txt", join(media, "link.txt"));
  const env = { GATE_DIR: media };
  const one = ["--workers", "1", "--sendfile", `/media=${media}`];
  [wsgi, paths, pieces] = await Promise.all([
    startTyphon(FILE, ["handing_wsgi:app", "--threads", "1", ...one], { env }),
    startTyphon(FILE, ["handing_asgi:app", "--pathsend", ...one], { env }),
    startTyphon(FILE, ["handing_asgi:app", "--workers", "1"], { env }),
  ]);
});

const at = (name: string): string => join(folder, "media", name);
const query = (path: string): string => encodeURIComponent(path);

/** Asks for a huge file and reads its head; the client takes nothing more until it is resumed. */
async function ask(
  typhon: Typhon,
  path: string,
  range = "",
): Promise<{ client: RawClient; length: number }> {
  const client = await RawClient.connect(typhon);
  client.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${range}\r\n`);
  const head = await client.readHead();
  client.socket.pause();
  assert.equal(head.status, range === "" ? 200 : 206);
  return { client, length: Number(head.fields.get("content-length")?.[0]) };
}

/** The only worker takes the next request while a client does not read, and the client gets the whole file. */
async function isSentByFront(
  typhon: Typhon,
  path: string,
  free: string,
  range = "",
): Promise<void> {
  const { client, length } = await ask(typhon, path, range);
  const other = await getOnce(typhon, free);
  assert.equal(other.status, 200);
  client.socket.resume();
  const body = await client.readToEnd();
  assert.deepEqual([length, body.length], [HUGE_BYTES, HUGE_BYTES]);
  assert.equal(body.subarray(-LAST.length).toString(), LAST);
  client.destroy();
}

describe("Flask", () => {
  for (const [way, words] of [
    ["/flask", "with its own sender"],
    ["/x", "with USE_X_SENDFILE"],
  ] as const) {
    const small = `${way}/directory/small.txt`;

    test(`${words}: sends a file with its fields`, async () => {
      const response = await getOnce(wsgi, small);
      assert.deepEqual([response.status, response.text], [200, SMALL]);
      assert.equal(fieldOf(response, "content-type"), "text/plain; charset=utf-8");
      assert.equal(fieldOf(response, "content-disposition"), "attachment; filename=small.txt");
      assert.equal(fieldOf(response, "cache-control"), "public, max-age=60");
      assert.equal(fieldOf(response, "content-length"), String(SMALL.length));
      assert.equal(response.fields.has("x-sendfile"), false);
      const head = await askHead(wsgi, small);
      assert.deepEqual([head.status, head.text], [200, ""]);
      assert.equal(fieldOf(head, "content-length"), String(SMALL.length));
      assert.equal(fieldOf(head, "etag"), fieldOf(response, "etag"));
    });

    test(`${words}: obeys conditions and ranges`, async () => {
      const etag = fieldOf(await getOnce(wsgi, small), "etag");
      assert.equal((await getOnce(wsgi, small, `If-None-Match: ${etag}\r\n`)).status, 304);
      const part = await getOnce(wsgi, small, "Range: bytes=10-14\r\n");
      assert.deepEqual([part.status, part.text], [206, "01234"]);
      assert.equal(fieldOf(part, "content-range"), `bytes 10-14/${SMALL.length}`);
      assert.equal(fieldOf(part, "content-length"), "5");
      const current = `Range: bytes=10-14\r\nIf-Range: ${etag}\r\n`;
      assert.equal((await getOnce(wsgi, small, current)).text, "01234");
      const other = 'Range: bytes=10-14\r\nIf-Range: "other"\r\n';
      assert.deepEqual((await getOnce(wsgi, small, other)).text, SMALL);
      assert.equal((await getOnce(wsgi, small, "Range: bytes=1000-\r\n")).status, 416);
      const last = await getOnce(
        wsgi,
        `${way}/send?path=${query(at("huge.bin"))}`,
        `Range: bytes=-${LAST.length}\r\n`,
      );
      assert.deepEqual([last.status, last.text], [206, LAST]);
    });

    test(`${words}: frees its only thread while a client reads`, async () => {
      const huge = `${way}/send?path=${query(at("huge.bin"))}`;
      await isSentByFront(wsgi, huge, small);
      // As browsers ask for a video.
      await isSentByFront(wsgi, huge, small, "Range: bytes=0-\r\n");
    });

    test(`${words}: sends what is no file from memory, and 404 for what is missing`, async () => {
      assert.equal((await getOnce(wsgi, `${way}/buffer`)).text, "in memory");
      assert.equal((await getOnce(wsgi, `${way}/directory/missing.txt`)).status, 404);
    });
  }

  test("with USE_X_SENDFILE: sends nothing from outside the declared folder", async () => {
    const from = wsgi.output.all.length;
    const outside = await getOnce(wsgi, `/x/send?path=${query(join(folder, "secret.txt"))}`);
    assert.deepEqual([outside.status, outside.text.includes("secret")], [404, false]);
    const [line] = await wsgi.output.waitFor(/.*X-Sendfile: .*no such file below.*/, from);
    assert.match(line, /secret\.txt/);
    const link = await getOnce(wsgi, "/x/directory/link.txt");
    assert.deepEqual([link.status, link.text.includes("secret")], [404, false]);
  });
});

describe("Django", () => {
  test("FileResponse is sent, and leaves the only thread free", async () => {
    const small = `/django/file?path=${query(at("small.txt"))}`;
    const response = await getOnce(wsgi, small);
    assert.deepEqual([response.status, response.text], [200, SMALL]);
    assert.equal(fieldOf(response, "content-disposition"), 'attachment; filename="small.txt"');
    // Django knows no ranges, and does not ask for them.
    assert.equal((await getOnce(wsgi, small, "Range: bytes=1-2\r\n")).text, SMALL);
    await isSentByFront(wsgi, `/django/file?path=${query(at("huge.bin"))}`, small);
  });

  test("FileResponse with Accept-Ranges has ranges, small and large", async () => {
    for (const [name, last] of [
      ["small.txt", "89"],
      ["huge.bin", "es"],
    ] as const) {
      const path = `/django/conditional?path=${query(at(name))}`;
      const part = await getOnce(wsgi, path, "Range: bytes=-2\r\n");
      assert.deepEqual([part.status, part.text], [206, last]);
      const stale = await getOnce(wsgi, path, 'Range: bytes=0-1\r\nIf-Range: "django"\r\n');
      assert.equal(stale.status, 206);
      assert.equal((await getOnce(wsgi, path, 'If-None-Match: "django"\r\n')).status, 304);
    }
  });

  test("X-Accel-Redirect and X-Sendfile are obeyed, with the cookies of the application", async () => {
    const accel = await getOnce(wsgi, `/django/accel?target=${query("/media/small.txt")}`);
    assert.deepEqual([accel.status, accel.text], [200, SMALL]);
    assert.equal(fieldOf(accel, "content-type"), "text/plain; charset=utf-8");
    assert.match(fieldOf(accel, "set-cookie"), /seen=1/);
    const sent = await getOnce(wsgi, `/django/sendfile?path=${query(at("small.txt"))}`);
    assert.deepEqual([sent.text, fieldOf(sent, "content-type")], [SMALL, "a/b"]);
    const outside = await getOnce(wsgi, `/django/accel?target=${query("/media/../secret.txt")}`);
    assert.equal(outside.status, 404);
  });
});

describe("plain WSGI", () => {
  test("a temporary file is sent from its position on, after it was closed", async () => {
    const response = await getOnce(wsgi, "/raw/temporary");
    assert.equal(response.body.length, 300_000);
    assert.match((await getOnce(wsgi, "/raw/closed")).text, /\/temporary/);
  });

  test("a client that leaves frees the file", async () => {
    const { client } = await ask(wsgi, `/raw/file?${query(at("huge.bin"))}`);
    client.destroy();
    await until(
      "the front has closed the file",
      () => !listDescriptors(wsgi.pid).includes(at("huge.bin")),
    );
  });
});

for (const [words, server] of [
  ["FastAPI with --pathsend", () => paths],
  ["FastAPI without", () => pieces],
] as const)
  describe(words, () => {
    test("FileResponse is sent with its fields, conditions and ranges", async () => {
      const typhon = server();
      const path = `/file?path=${query(at("small.txt"))}`;
      const response = await getOnce(typhon, path);
      assert.deepEqual([response.status, response.text], [200, SMALL]);
      assert.equal(fieldOf(response, "content-disposition"), 'attachment; filename="named.bin"');
      assert.equal(fieldOf(response, "cache-control"), "private");
      const part = await getOnce(typhon, path, "Range: bytes=10-14\r\n");
      assert.deepEqual([part.status, part.text], [206, "01234"]);
      const several = await getOnce(typhon, path, "Range: bytes=0-1,90-91\r\n");
      assert.equal(several.status, 206);
      const stale = 'Range: bytes=10-14\r\nIf-Range: "other"\r\n';
      assert.equal((await getOnce(typhon, path, stale)).text, SMALL);
      const head = await askHead(typhon, path);
      assert.equal(fieldOf(head, "content-length"), String(SMALL.length));
    });

    test("StaticFiles are sent, and 304 where they are known", async () => {
      const typhon = server();
      const response = await getOnce(typhon, "/static/small.txt");
      assert.equal(response.text, SMALL);
      const known = `If-None-Match: ${fieldOf(response, "etag")}\r\n`;
      assert.equal((await getOnce(typhon, "/static/small.txt", known)).status, 304);
      assert.equal((await getOnce(typhon, "/static/missing.txt")).status, 404);
    });

    test("a huge file arrives whole at a client that pauses", async () => {
      await isSentByFront(server(), "/static/huge.bin", "/pid");
    });
  });

test("FastAPI: fields that name a file are obeyed where folders are declared, else removed", async () => {
  const sendfile = `/sendfile?path=${query(at("small.txt"))}`;
  const accel = `/accel?target=${query("/media/small.txt")}`;
  const sent = await getOnce(paths, sendfile);
  assert.deepEqual([sent.text, fieldOf(sent, "content-type")], [SMALL, "a/b"]);
  const part = await getOnce(paths, accel, "Range: bytes=0-3\r\n");
  assert.deepEqual(
    [part.status, part.text, part.fields.has("x-accel-expires")],
    [206, "0123", false],
  );
});

test("a field that names a file reaches a trusted proxy alone, where no folder is declared", async (t) => {
  const accel = `/accel?target=${query("/media/small.txt")}`;
  // The tests' own address is trusted by default.
  const proxied = await getOnce(pieces, accel);
  assert.equal(fieldOf(proxied, "x-accel-redirect"), "/media/small.txt");
  assert.equal(fieldOf(proxied, "x-accel-expires"), "60");
  const args = ["handing_asgi:app", "--workers", "1", "--forwarded-allow-ips", "192.0.2.1"];
  const direct = await startTyphon(t, args, { env: { GATE_DIR: join(folder, "media") } });
  const response = await getOnce(direct, accel);
  assert.deepEqual([response.status, response.text], [200, ""]);
  for (const name of ["x-accel-redirect", "x-accel-expires"])
    assert.equal(response.fields.has(name), false, name);
});

async function askHead(typhon: Typhon, path: string): Promise<RawResponse> {
  const client = await RawClient.connect(typhon);
  client.write(`HEAD ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
  const response = await client.readResponse("HEAD");
  client.destroy();
  return response;
}
