// --env-file: the usual syntax of .env files, which file and which source wins, and files that cannot be read.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import type { Configuration } from "../../src/config/configuration.ts";
import { readFlags } from "../../src/config/flags.ts";
import { ConfigurationReader, load } from "../../src/config/load.ts";

const scratch = mkdtempSync(join(tmpdir(), "typhon-env-"));
after(() => rmSync(scratch, { recursive: true }));
mkdirSync(join(scratch, "bin"));
writeFileSync(join(scratch, "bin", "python3"), "#!/bin/sh\n", { mode: 0o755 });

let files = 0;
function file(content: string | Buffer): string {
  files += 1;
  const name = `${files}.env`;
  writeFileSync(join(scratch, name), content);
  return name;
}

function loadHere(words: string[], environment: Record<string, string> = {}): Configuration {
  return load(words, { PATH: join(scratch, "bin"), ...environment }, scratch);
}

function variables(words: string[], environment: Record<string, string> = {}): object {
  return { ...loadHere(["app:app", ...words], environment).applications[0]?.env };
}

test("reads comments, quotes, export, values of several lines, CRLF and a byte order mark", () => {
  const text =
    "\uFEFFFIRST=1\r\n# A=2\r\n\r\nPLAIN=a b # not this\r\nSINGLE='# $X \\n'\r\n" +
    'DOUBLE="two\\nlines"\r\nWHOLE="-----BEGIN-----\nabc=\n-----END-----"\r\n' +
    "export SHELL_STYLE = yes\r\nEMPTY=\r\nURL=postgres://u:p@h/d?a=b#c\r\nLATER=${PLAIN}\r\nno assignment\r\n";
  assert.deepEqual(variables(["--env-file", file(text)]), {
    FIRST: "1",
    PLAIN: "a b",
    SINGLE: "# $X \\n",
    DOUBLE: "two\nlines",
    WHOLE: "-----BEGIN-----\nabc=\n-----END-----",
    SHELL_STYLE: "yes",
    EMPTY: "",
    URL: "postgres://u:p@h/d?a=b#c",
    LATER: "a b",
  });
});

test("the process's variable wins over every file, a later file over an earlier, --env over all", () => {
  const one = file("A=file1\nB=file1\nC=file1\nD=file1\n");
  const two = file("B=file2\nC=file2\nD=file2\n");
  const words = ["--env-file", one, "--env-file", two, "--env", "C=flag", "-e", "D=flag"];
  // C is in the environment too: the worker inherits that, and --env replaces it.
  assert.deepEqual(variables(words, { C: "process", A: "process" }), {
    B: "file2",
    C: "flag",
    D: "flag",
  });
});

test("a reference is the process's variable, else one before it in the files, else its default", () => {
  const one = file("A=one\nB=${A}-${C:-usual}-${D}-$A\nA=${A}${A}\n");
  const two = file("E=${B}\nF=${__proto__}${constructor}\n__proto__=x\n");
  const found = variables(["--env-file", one, "--env-file", two], { D: "process" });
  assert.deepEqual(Object.entries(found), [
    ["A", "oneone"],
    ["B", "one-usual-process-$A"],
    ["E", "one-usual-process-$A"],
    ["F", ""],
    ["__proto__", "x"],
  ]);
});

describe("typhon dev", () => {
  const folder = join(scratch, "dev");
  before(() => mkdirSync(join(folder, "app"), { recursive: true }));
  const read = (words: string[], dotEnv: string, place = folder): Configuration => {
    writeFileSync(join(place, ".env"), dotEnv);
    const flags = readFlags(["app:app", ...words]);
    return new ConfigurationReader(flags, { PATH: join(scratch, "bin") }, folder, {
      isDevelopment: true,
    }).read();
  };

  test("reads .env of the current folder, or of that of --app-dir, at each reload", () => {
    assert.deepEqual(read([], "A=1\nTYPHON_THREADS=3\n").applications[0]?.env, {
      A: "1",
      TYPHON_THREADS: "3",
    });
    assert.equal(read([], "TYPHON_THREADS=3\n").applications[0]?.threads, 3);
    const app = join(folder, "app");
    assert.deepEqual(read(["--app-dir", "app"], "B=2\n", app).applications[0]?.env, { B: "2" });
    writeFileSync(join(folder, ".env"), "A=1\n");
    const environment = { PATH: join(scratch, "bin") };
    const reader = new ConfigurationReader(readFlags(["app:app"]), environment, folder, {
      isDevelopment: true,
    });
    assert.equal(reader.hasFile, true);
    assert.deepEqual(reader.read().applications[0]?.env, { A: "1" });
    writeFileSync(join(folder, ".env"), "A=2\n");
    assert.deepEqual(reader.read().applications[0]?.env, { A: "2" });
    rmSync(join(folder, ".env"));
    assert.deepEqual(reader.read().applications[0]?.env, {});
  });

  test("reads the files of --env-file instead", () => {
    writeFileSync(join(folder, "other.env"), "C=3\n");
    const { applications } = read(["--env-file", "other.env"], "A=1\n");
    assert.deepEqual(applications[0]?.env, { C: "3" });
    writeFileSync(join(folder, "typhon.toml"), 'app = "app:app"\nenv-file = "other.env"\n');
    const flags = readFlags([]);
    const reader = new ConfigurationReader(flags, { PATH: join(scratch, "bin") }, folder, {
      isDevelopment: true,
    });
    assert.deepEqual(reader.read().applications[0]?.env, { C: "3" });
  });

  test("run reads no .env", () => {
    writeFileSync(join(folder, ".env"), "A=1\n");
    const flags = readFlags(["app:app"]);
    const reader = new ConfigurationReader(flags, { PATH: join(scratch, "bin") }, folder);
    assert.deepEqual(reader.read().applications[0]?.env, {});
  });
});

test("TYPHON_ variables of a file are options; flags and the process's own win", () => {
  const name = file(
    "TYPHON_WORKERS=3\nTYPHON_APP=shop:app\nTYPHON_THREADS=7\nTYPHON_QUEUE=9\nPORT=81\n",
  );
  const { applications, listeners } = loadHere(["--env-file", name, "--queue", "5"], {
    TYPHON_THREADS: "2",
  });
  assert.partialDeepStrictEqual(applications[0], {
    app: "shop:app",
    workers: 3,
    threads: 2,
    queue: 5,
  });
  assert.deepEqual(listeners.bind, [{ kind: "tcp", scheme: "http", host: "0.0.0.0", port: 81 }]);
});

test("a bad value in a file names the variable", () => {
  const words = ["app:app", "--env-file", file("TYPHON_WORKERS=many\n")];
  assert.throws(() => loadHere(words), /TYPHON_WORKERS 'many' must be a whole number/);
});

test("TYPHON_ENV_FILE names files; one in a file is not followed", () => {
  const inner = file("INNER=1\n");
  const one = file(`ONE=1\nTYPHON_ENV_FILE=${inner}\n`);
  const two = file("TWO=2\n");
  assert.partialDeepStrictEqual(variables([], { TYPHON_ENV_FILE: `${one}, ${two}` }), {
    ONE: "1",
    TWO: "2",
  });
  assert.ok(!("INNER" in variables([], { TYPHON_ENV_FILE: one })));
});

test("variables that double one another are one line, and no name sets another's variable", () => {
  const doubled = Array.from({ length: 60 }, (_, at) => `A${at + 1}=\${A${at}}\${A${at}}\n`);
  const bomb = file(`A0=x\n${doubled.join("")}`);
  assert.throws(
    () => loadHere(["app:app", "--env-file", bomb]),
    /^OperatorError: --env-file '\d+\.env' has variables of more than 2097152 characters together$/,
  );
  assert.deepEqual(variables(["--env-file", file("'B=c'=d\nE=f\n")]), { E: "f" });
});

test("a file that is missing, a folder, too large or no text is one line without its content", () => {
  const refused = (name: string, line: RegExp): void => {
    assert.throws(
      () => loadHere(["app:app", "--env-file", name]),
      (error) => {
        assert.ok(error instanceof Error);
        assert.match(error.message, line);
        assert.doesNotMatch(error.message, /secret|\n/);
        return true;
      },
    );
  };
  refused("gone.env", /^--env-file 'gone\.env' is no file/);
  refused("bin", /^--env-file 'bin' is no file/);
  refused(file(`A=secret\n#${"x".repeat(1_048_576)}`), /is too large: at most 1048576 bytes$/);
  refused("/dev/zero", /is too large: at most 1048576 bytes$/);
  refused(file(Buffer.from("A=secret\xff\n", "latin1")), /is no text in UTF-8/);
  refused(file("A=secret\0\n"), /is no text in UTF-8/);
});
