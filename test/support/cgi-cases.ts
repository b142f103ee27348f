// Requests for CGI programs with what their responses must be, and responses without what differs from server to
// server or from run to run.

import { gunzipSync } from "node:zlib";

import type { CgiAnswer, CgiAsk } from "./cgi-programs.ts";

export interface CgiCase extends CgiAsk {
  /** The status that all servers send, and a part of the document. */
  readonly status: number;
  readonly shows?: string;
  /** Where Apache's is another one. */
  readonly apacheStatus?: number;
  /** Only the status is compared: the document is the server's own. */
  readonly isServersPage?: boolean;
}

/** Fields of the connection and of the server; times; entity tags of a program that depend on the time. */
const ASIDE =
  /^(?:date|server|connection|keep-alive|transfer-encoding|content-length|x-request-id|last-modified|expires|etag):/;

const NONCE = /nonce(=|-)["']?[\w+/=-]+["']?/g;
/** What differs from one run of a program to the next one, whatever the server. */
const MOMENTS: readonly (readonly [RegExp, string])[] = [
  // cgitb, cgit, fossil.
  [/^\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}$/gm, "TIME"],
  [/ at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \(?[^<)]*/g, " at TIME"],
  [/generated in about\s+[\d.]+s/g, "generated in about TIME"],
  [NONCE, "nonce"],
  [/0x[0-9a-f]+/g, "0xADDRESS"],
];

const MULTIPART = [
  "--cut",
  'Content-Disposition: form-data; name="title"',
  "",
  "Größe",
  "--cut",
  'Content-Disposition: form-data; name="file"; filename="a.bin"',
  "Content-Type: application/octet-stream",
  "",
  "\u0000\u00ff\r\n".repeat(5000),
  "--cut--",
  "",
].join("\r\n");

const FORM = { "Content-Type": "application/x-www-form-urlencoded" };
const RPC = `<?xml version="1.0"?><methodCall><methodName>pow</methodName><params><param><value><int>2</int></value></param><param><value><int>10</int></value></param></params></methodCall>`;

/** Requests for the programs of cgi-bin. */
export const SMALL_CASES: readonly CgiCase[] = [
  { path: "/cgi-bin/hello.py", status: 200, shows: "<h1>Hello, World!</h1>" },
  { path: "/cgi-bin/hello.py", method: "HEAD", status: 200 },
  { path: "/cgi-bin/form.py?b=2&a=1&a=%3Cx%3E&c=", status: 200, shows: "&lt;x&gt;" },
  { path: "/cgi-bin/form.py", body: "x=1&y=a+b", fields: FORM, status: 200, shows: "a b" },
  {
    path: "/cgi-bin/form.py",
    body: Buffer.from(MULTIPART, "latin1"),
    fields: { "Content-Type": "multipart/form-data; boundary=cut" },
    status: 200,
    shows: "file (a.bin, 20000)",
  },
  { path: "/cgi-bin/fault.py", status: 200, shows: "ZeroDivisionError" },
  { path: "/cgi-bin/cookies.py", fields: { Cookie: "count=4" }, status: 200, shows: "5 ['count']" },
  { path: "/cgi-bin/redirect.py?client", status: 302, isServersPage: true },
  { path: "/cgi-bin/redirect.py?document", status: 303, shows: ">there<" },
  { path: "/cgi-bin/redirect.py?local", status: 200, shows: "PATH_INFO /moved" },
  { path: "/cgi-bin/where.py", status: 200, shows: "PATH_INFO -" },
  {
    path: "/cgi-bin/where.py/a%20b/stra%C3%9Fe?c=%20d&e",
    status: 200,
    shows: "PATH_INFO /a b/straße",
  },
  { path: "/cgi-bin/where.py/a/./b/../c", status: 200, shows: "PATH_INFO /a/c" },
  { path: "/cgi-bin/where.py?one+two%20three", status: 200, shows: "['one', 'two three']" },
  { path: "/cgi-bin/where.py", method: "PUT", body: "abc", status: 200, shows: "METHOD PUT" },
  { path: "/cgi-bin/where.py", method: "DELETE", status: 200, shows: "METHOD DELETE" },
  {
    path: "/cgi-bin/upload.py",
    body: Buffer.alloc(3_000_000, "ab"),
    status: 200,
    shows: "3000000 0",
  },
  { path: "/cgi-bin/download.py", status: 200 },
  { path: "/cgi-bin/guests.py?zoe=hi&adam=ho", status: 200, shows: '"since": 1970' },
  { path: "/cgi-bin/wsgi.py/x", body: "tea", status: 418, shows: "short and stout: tea" },
  {
    path: "/cgi-bin/rpc.py",
    body: RPC,
    fields: { "Content-Type": "text/xml" },
    status: 200,
    shows: "<int>1024</int>",
  },
  { path: "/cgi-bin/status.py?404", status: 404, shows: "a document of 404" },
  { path: "/cgi-bin/status.py?503", status: 503, shows: "a document of 503" },
  { path: "/cgi-bin/status.py?299", status: 299, shows: "a document of 299" },
  { path: "/cgi-bin/status.py?204", status: 204 },
  { path: "/cgi-bin/status.py?304", status: 304 },
  { path: "/cgi-bin/packed.py", status: 200 },
  { path: "/cgi-bin/letters.py", status: 200, shows: "Zoë, Straße, 東京" },
  { path: "/cgi-bin/children.py", status: 200, shows: "from a child\nfrom a thread 42" },
  { path: "/cgi-bin/neighbour.py", status: 200, shows: "beside greets __main__ 0" },
  { path: "/cgi-bin/silent.py", status: 500, isServersPage: true },
  { path: "/cgi-bin/headless.py", status: 500, isServersPage: true },
  { path: "/cgi-bin/shadow/which.py", status: 200, shows: "colours of our own 2 In place of" },
  // Apache tries to run the file.
  { path: "/cgi-bin/beside.py", status: 403, apacheStatus: 500, isServersPage: true },
  { path: "/cgi-bin/missing.py", status: 404, isServersPage: true },
  { path: "/cgi-bin/hello.sh?one+two", status: 200, shows: "one+two, 2 words" },
  { path: "/cgi-bin/hello.sh", body: "in a body", status: 200, shows: "in a body" },
  {
    path: "/cgi-bin/hello.ash/more",
    body: "six by nine",
    status: 200,
    shows: "Hello from BusyBox: six by nine POST /more",
  },
  { path: "/cgi-bin/hello.pl?b=c;a=1", status: 200, shows: "a=1, b=c" },
  { path: "/cgi-bin/hello.cgi", body: "echo", status: 200, shows: "Hello from C: echo" },
  {
    path: "/cgi-bin/page.php/info?a[]=1&a[]=2",
    body: "p=q",
    fields: FORM,
    status: 200,
    shows: `"p":"q"`,
  },
];

/** A response without the fields and the moments that belong to the server or the time. */
export function compared({ status, fields, body }: CgiAnswer, { isServersPage }: CgiCase): object {
  if (isServersPage === true) return { status };
  const isPacked = fields.includes("content-encoding: gzip");
  const plain = (isPacked ? gunzipSync(body) : body).toString("latin1");
  const text = MOMENTS.reduce((said, [pattern, word]) => said.replace(pattern, word), plain);
  const kept = fields.filter((line) => !ASIDE.test(line));
  return { status, fields: joinRepeated(kept.map((line) => line.replace(NONCE, "nonce"))), text };
}

/** Fields of one name as one line (RFC 9110 §5.3): Apache joins them, but for cookies. */
function joinRepeated(lines: readonly string[]): string[] {
  const joined: string[] = [];
  for (const line of lines) {
    const [name = "", value = ""] = line.split(/: (.*)/s);
    const last = joined.at(-1) ?? "";
    const isRepeated = name !== "set-cookie" && last.startsWith(`${name}: `);
    if (isRepeated) joined.splice(-1, 1, `${last}, ${value}`);
    else joined.push(line);
  }
  return joined;
}
