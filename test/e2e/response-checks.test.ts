// Invalid responses of an application: the client gets 500 or a cut connection, never a split or falsely
// complete response, and the log names the fault under the request's id.

import assert from "node:assert/strict";
import { before, test } from "node:test";

import { FILE } from "../support/file-scope.ts";
import { fieldOf, getOnce, RawClient } from "../support/raw-client.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";

let typhon: Typhon;

before(async () => {
  typhon = await startTyphon(FILE, ["faults:app", "--workers", "1"]);
});

/** Whether the log has, since `from`, a line with the id, and the reason near it. */
async function expectLogged(from: number, id: string, reason: RegExp): Promise<void> {
  await typhon.output.waitFor(new RegExp(id.replaceAll(/[^\w]/g, String.raw`\$&`)), from);
  await typhon.output.waitFor(reason, from);
}

/** Each path of faults.py whose head is refused, and what the log must name. */
const HEADS: Readonly<Record<string, RegExp>> = {
  "/value-crlf": /X-A/i,
  "/value-lf": /X-A/i,
  "/value-nul": /NUL|fields|X-A/i,
  "/name-space": /name/i,
  "/name-colon": /name/i,
  "/name-empty": /name/i,
  "/name-nul": /NUL|fields|name/i,
  "/status-crlf": /status|reason/i,
  "/status-word": /status/i,
  "/status-low": /status/i,
  "/status-interim": /status/i,
  "/status-number": /status/i,
  "/hop-connection": /Connection/i,
  "/hop-transfer": /Transfer-Encoding/i,
  "/hop-upgrade": /Upgrade/i,
  "/two-lengths": /Content-Length/i,
  "/length-word": /Content-Length/i,
  "/length-minus": /Content-Length/i,
  "/value-bytes": /X-A|str/i,
  "/value-unicode": /X-A|latin-1/i,
};

for (const [path, reason] of Object.entries(HEADS)) {
  test(`answers 500 for ${path.slice(1)} and names the fault`, async () => {
    const from = typhon.output.all.length;
    const client = await RawClient.connect(typhon);
    const answer = await client.get(path);
    assert.equal(answer.status, 500);
    for (const name of ["set-cookie", "x-a", "x-b"])
      assert.equal(answer.fields.get(name), undefined);
    assert.doesNotMatch(answer.text, /hello|stolen/);
    await expectLogged(from, fieldOf(answer, "x-request-id"), reason);
    client.destroy();
  });
}

/** Faults before the head has left. */
const BEFORE: Readonly<Record<string, RegExp>> = {
  "/raise-before": /RuntimeError: broken before the head/,
  "/raise-after-start": /RuntimeError: broken after start_response/,
  "/exit": /SystemExit/,
  "/too-many-bytes": /Content-Length/i,
  "/too-few-bytes": /Content-Length/i,
  "/never-start": /start_response/,
  "/start-twice": /start_response/,
  "/text-body": /bytes|str/,
  "/no-iterable": /None|iterable|iterator/i,
};

for (const [path, reason] of Object.entries(BEFORE)) {
  test(`answers 500 for ${path.slice(1)} and names the fault`, async () => {
    const from = typhon.output.all.length;
    const answer = await getOnce(typhon, path);
    assert.equal(answer.status, 500);
    assert.doesNotMatch(answer.text, /Traceback|faults\.py|broken|01234/);
    await expectLogged(from, fieldOf(answer, "x-request-id"), reason);
  });
}

/** Faults after the head has left: the response may not look complete. */
const AFTER: Readonly<Record<string, { readonly came: string; readonly reason: RegExp }>> = {
  "/raise-in-body": { came: "the first half", reason: /RuntimeError: broken in the body/ },
  "/raise-in-sized-body": { came: "the first half", reason: /RuntimeError: broken in the body/ },
  "/exc-info-too-late": { came: "already sent", reason: /KeyError: 'too late'/ },
  "/too-few-chunks": { came: "01234", reason: /Content-Length/i },
};

for (const [path, { came, reason }] of Object.entries(AFTER)) {
  test(`cuts the answer of ${path.slice(1)} so that the client can tell`, async () => {
    const from = typhon.output.all.length;
    const client = await RawClient.connect(typhon);
    client.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
    const head = await client.readHead();
    assert.equal(head.status, 200);
    const rest = (await client.readUntilCut()).toString("latin1");
    assert.doesNotMatch(rest, /0\r\n\r\n$/, "the body was ended as if it were whole");
    assert.doesNotMatch(rest, /HTTP\/1\.1|never sent/);
    assert(
      came.startsWith(
        rest.replace(/^[0-9a-f]+\r\n/i, "").replaceAll(/\r\n[0-9a-f]*(?:\r\n)?/gi, ""),
      ),
    );
    const length = head.fields.get("content-length")?.[0];
    if (length !== undefined) assert(rest.length < Number(length));
    await expectLogged(from, fieldOf(head, "x-request-id"), reason);
    client.destroy();
  });
}

test("never sends more bytes than Content-Length says", async () => {
  const from = typhon.output.all.length;
  const client = await RawClient.connect(typhon);
  client.write("GET /too-many-chunks HTTP/1.1\r\nHost: a\r\n\r\n");
  const head = await client.readHead();
  const rest = (await client.readUntilCut()).toString("latin1");
  assert(rest.length <= 5, rest);
  assert.doesNotMatch(rest, /5|6|7|8|9/);
  await expectLogged(from, fieldOf(head, "x-request-id"), /Content-Length/i);
  client.destroy();
});

test("puts only the application's frames into the traceback", async () => {
  const from = typhon.output.all.length;
  await getOnce(typhon, "/raise-before");
  await typhon.output.waitFor(/RuntimeError: broken before the head/, from);
  const logged = typhon.output.all.slice(from);
  assert.match(logged, /Traceback \(most recent call last\)/);
  assert.match(logged, /faults\.py/);
  assert.doesNotMatch(logged, /typhon_worker/);
});

test("goes on after all of that, with the same worker", async () => {
  assert.equal((await getOnce(typhon, "/fine")).text, "fine");
  assert.equal(typhon.workers().length, 1);
  assert.doesNotMatch(typhon.output.all, /worker \d+ (?:ended|died)/i);
});
