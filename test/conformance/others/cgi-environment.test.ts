// The environment of a program under Apache and under Typhon for the same requests. Every difference stands in
// DIFFERENCES with its reason, and every row there is a difference that is seen.

import assert from "node:assert/strict";
import { before, test } from "node:test";

import {
  ask,
  folderPlace,
  makePrograms,
  startApache,
  startCold,
  startLighttpd,
  startWarm,
  type CgiAsk,
  type CgiServer,
} from "../../support/cgi-programs.ts";
import { FILE } from "../../support/file-scope.ts";

/** Names of variables whose values or presence differ, and why. */
const DIFFERENCES: Readonly<Record<string, string>> = {
  SERVER_SOFTWARE: "each server names itself",
  SERVER_PORT: "each server has a port of its own",
  REMOTE_PORT: "each request has a connection of its own",
  REMOTE_HOST:
    "Typhon alone: the address, as RFC 3875 §4.1.9 allows; Apache asks no name server either",
  SERVER_ADMIN: "Apache alone: its option of the same name",
  SERVER_SIGNATURE: "Apache alone: the foot of its own pages",
  CONTEXT_PREFIX: "Apache alone: mod_alias tells what it did; SCRIPT_NAME says enough",
  CONTEXT_DOCUMENT_ROOT: "Apache alone, as CONTEXT_PREFIX",
  DOCUMENT_ROOT: "Apache: its folder of files; Typhon: the folder of the programs",
  PATH_TRANSLATED: "PATH_INFO below DOCUMENT_ROOT",
  HTTP_X_REQUEST_ID: "Typhon alone: the request's id, which its log has too",
  PATH: "Apache: that of its own start; Typhon: a fixed one, so that a start by hand changes nothing",
};

/** Variables of RFC 3875 §4.1 that neither a port nor the server's name is part of. */
const STANDARD = new Set([
  "AUTH_TYPE",
  "CONTENT_LENGTH",
  "CONTENT_TYPE",
  "GATEWAY_INTERFACE",
  "PATH_INFO",
  "PATH_TRANSLATED",
  "QUERY_STRING",
  "REMOTE_ADDR",
  "REMOTE_IDENT",
  "REMOTE_USER",
  "REQUEST_METHOD",
  "SCRIPT_NAME",
  "SERVER_NAME",
  "SERVER_PROTOCOL",
]);
/** Those of them that lighttpd sets otherwise, and how. */
const OF_LIGHTTPD: Readonly<Record<string, string>> = {
  CONTENT_LENGTH: "lighttpd says 0 where there is no body",
};

/** Requests that set as much as clients can. */
const REQUESTS: readonly CgiAsk[] = [
  { path: "/cgi-bin/variables.py" },
  { path: "/cgi-bin/variables.py/a%20b/stra%C3%9Fe//c?d=%20e" },
  { path: "/cgi-bin/variables.py?%00" },
  { path: "/cgi-bin/variables.py?one+two" },
  { path: "/cgi-bin/variables.py", method: "OPTIONS" },
  {
    path: "/cgi-bin/variables.py",
    body: "a=b",
    fields: { "Content-Type": "application/x-www-form-urlencoded", Accept: "text/*" },
  },
  {
    path: "/cgi-bin/variables.py",
    fields: {
      Cookie: "a=1; b=2",
      "X-Twice": ["one", "two"],
      X_Under: "forged",
      Proxy: "http://proxy.example",
      Authorization: "Basic em9lOnBhc3N3b3Jk",
      "User-Agent": "a\tb",
      "X-Letters": "Zo\u00eb",
      "X-Empty": "",
    },
  },
];

const servers: CgiServer[] = [];
let lighttpd: CgiServer | null = null;
before(async () => {
  const places = [folderPlace("/cgi-bin", makePrograms(FILE), { PLACE: "a b=c" })];
  servers.push(await startApache(FILE, places));
  lighttpd = await startLighttpd(FILE, places);
  servers.push(await startCold(FILE, places), await startWarm(FILE, places));
});

async function readVariables(server: CgiServer, asked: CgiAsk): Promise<Map<string, string>> {
  const { status, body } = await ask(server, asked);
  assert.equal(status, 200, `${server.name}: ${asked.path}`);
  const lines = body.toString("latin1").trim().split("\n");
  return new Map(lines.map((line) => [line.split("=", 1)[0] ?? "", line]));
}

function namesThatDiffer(
  ours: ReadonlyMap<string, string>,
  theirs: ReadonlyMap<string, string>,
): string[] {
  const names = new Set([...ours.keys(), ...theirs.keys()]);
  return [...names].filter((name) => ours.get(name) !== theirs.get(name));
}

test("programs see the variables of Apache, but for the differences that are named", async () => {
  const seen = new Set<string>();
  const unnamed: string[] = [];
  for (const asked of REQUESTS) {
    const [apache, ...typhons] = await Promise.all(
      servers.map((server) => readVariables(server, asked)),
    );
    assert(apache !== undefined);
    for (const typhon of typhons)
      for (const name of namesThatDiffer(typhon, apache)) {
        seen.add(name);
        if (!(name in DIFFERENCES))
          unnamed.push(`${asked.path}: ${typhon.get(name)}; Apache: ${apache.get(name)}`);
      }
  }
  assert.deepEqual(unnamed, []);
  assert.deepEqual([...seen].toSorted(), Object.keys(DIFFERENCES).toSorted());
});

test("a template's program sees what a cold one sees", async () => {
  const [, cold, warm] = servers;
  assert(cold !== undefined && warm !== undefined);
  for (const asked of REQUESTS) {
    const differing = namesThatDiffer(
      await readVariables(warm, asked),
      await readVariables(cold, asked),
    );
    assert.deepEqual(differing.toSorted(), ["HTTP_X_REQUEST_ID", "REMOTE_PORT", "SERVER_PORT"]);
  }
});

test("the variables of RFC 3875 are those of lighttpd too", async () => {
  const cold = servers[1];
  assert(cold !== undefined && lighttpd !== null);
  const seen = new Set<string>();
  // lighttpd refuses an encoded NUL.
  for (const asked of REQUESTS.filter(({ path }) => !path.includes("%00"))) {
    const differing = namesThatDiffer(
      await readVariables(cold, asked),
      await readVariables(lighttpd, asked),
    );
    for (const name of differing) if (STANDARD.has(name)) seen.add(name);
  }
  assert.deepEqual([...seen], Object.keys(OF_LIGHTTPD));
});
