// Routes of files that would send the source of CGI programs are mistakes; routes that cannot are none.

import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { load } from "../../src/config/load.ts";
import { OperatorError } from "../../src/config/operator-error.ts";
import { FILE } from "../support/file-scope.ts";
import { makeScratch } from "../support/scratch.ts";

const scratch = makeScratch(FILE);
for (const folder of ["bin", "www/cgi-bin/icons", "www/other", "elsewhere"])
  mkdirSync(join(scratch, folder), { recursive: true });
for (const name of ["bin/python3", "www/app.cgi", "www/cgi-bin/hello"])
  writeFileSync(join(scratch, name), "#!/bin/sh\n", { mode: 0o755 });
symlinkSync(join(scratch, "elsewhere"), join(scratch, "www/linked"));
symlinkSync(join(scratch, "www"), join(scratch, "www-link"));

/** What routes of files hide. */
function hiddenOf(words: readonly string[]): (readonly string[])[] {
  const { routes } = load(words, { PATH: join(scratch, "bin") }, scratch);
  return routes.flatMap(({ target }) => (target.kind === "static" ? [target.hidden] : []));
}

/** The mistakes of a site; none: "". */
function mistakesOf(text: string): string {
  writeFileSync(join(scratch, "site.toml"), text);
  try {
    load(["-c", "site.toml"], { PATH: join(scratch, "bin") }, scratch);
    return "";
  } catch (error) {
    assert.ok(error instanceof OperatorError, String(error));
    return error.text;
  }
}

function route(target: string, path = "/", more = ""): string {
  return `[[routes]]\npath = "${path}"\n${target}\n${more}\n`;
}

const FILES = 'static = "www"';
const PROGRAMS = 'cgi = "www/cgi-bin"';

for (const [name, text, path] of [
  ["at the path of another route", route(FILES) + route(PROGRAMS, "/run"), "/cgi-bin"],
  ["below a prefix", route(FILES, "/files") + route(PROGRAMS, "/cgi-bin"), "/files/cgi-bin"],
  ["of the same folder", route('static = "www/cgi-bin"') + route(PROGRAMS, "/run"), ""],
  ["of one program", route(FILES) + route('cgi = "www/app.cgi"', "/app"), "/app.cgi"],
  [
    "for a host that has no programs",
    route(FILES, "/", 'host = "a.example"') + route(PROGRAMS, "/cgi-bin"),
    "/cgi-bin",
  ],
  [
    "for hosts other than that of the programs",
    route(FILES) + route(PROGRAMS, "/cgi-bin", 'host = "a.example"'),
    "/cgi-bin",
  ],
  ["through a link to the files", route('static = "www-link"') + route(PROGRAMS, "/a"), "/cgi-bin"],
  [
    "through a link to the programs that is followed",
    route(FILES, "/", "follow-symlinks = true") + route('cgi = "www/linked"', "/run"),
    "/linked",
  ],
  [
    "where the path is a part of the name",
    route(FILES, "/cgi-bin", "strip-prefix = false") + route(PROGRAMS, "/run"),
    "/cgi-bin",
  ],
] as const)
  test(`files would send source ${name}`, () => {
    const [line = "", second] = mistakesOf(text).split("\n");
    assert.match(
      line,
      /would send the source of the programs of site\.toml:\d+: \[\[routes\]\], at/,
    );
    assert.ok(line.includes(`, at '${path || "/"}'; `), line);
    assert.equal(second, undefined);
  });

for (const [name, text] of [
  ["the programs have the path", route(FILES) + route(PROGRAMS, "/cgi-bin")],
  [
    "a fixed response has the path",
    route(FILES) + route(PROGRAMS, "/run") + route("respond = 404", "/cgi-bin"),
  ],
  ["the folders are apart", route('static = "www/other"') + route(PROGRAMS, "/cgi-bin")],
  [
    "the files are in the folder of programs",
    route('static = "www/cgi-bin/icons"') + route(PROGRAMS, "/c"),
  ],
  ["a link that is not followed leads there", route(FILES) + route('cgi = "www/linked"', "/run")],
  [
    "the route's path has other files",
    route(FILES, "/other", "strip-prefix = false") + route(PROGRAMS, "/run"),
  ],
] as const)
  test(`files send no source where ${name}`, () => assert.equal(mistakesOf(text), ""));

test("files hide the programs below their folder, which a link may lead to", () => {
  const at = (place: string): string[] => ["--cgi", `/cgi-bin=${place}`];
  assert.deepEqual(hiddenOf(["./www", ...at("www/cgi-bin")]), [["cgi-bin"]]);
  assert.deepEqual(hiddenOf(["./www", ...at("www/cgi-bin"), "--cgi", "/app.cgi=www/app.cgi"]), [
    ["cgi-bin", "app.cgi"],
  ]);
  assert.deepEqual(hiddenOf(["./www-link", ...at("www/cgi-bin")]), [["cgi-bin"]]);
  assert.deepEqual(hiddenOf(["./www"]), [["cgi-bin"]]);
  assert.deepEqual(hiddenOf(["./www/other", ...at("www/cgi-bin")]), [[]]);
});
