// The syntax of .env files: odd files as python-dotenv itself reads them, and the same by our reader.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { before, describe, test } from "node:test";

import { expandReferences, parseEnvText } from "../../src/config/env-text.ts";
import { requirePython } from "../support/scratch.ts";

/** What load_dotenv() would set. A name without a value is not set. */
const READ = `
import io, json, logging, os, sys
from dotenv.main import DotEnv
logging.disable(logging.CRITICAL)
os.environ.clear()
os.environ["FROM_PROCESS"] = "p"
read = lambda text: DotEnv(None, stream=io.StringIO(text), interpolate=True, override=False).dict()
texts = json.load(sys.stdin)
json.dump([[[k, v] for k, v in read(text).items() if v is not None] for text in texts], sys.stdout)
`;

const FILES: Readonly<Record<string, string>> = {
  plain: "A=b\n",
  "no end": "A=b",
  "empty value": "A=\n",
  "no sign": "A\nB=1\n",
  "blanks around": "  A  =  b c  \n",
  export: "export A=b\n",
  "export tab": "export\tA=b\n",
  "single quotes": "A='b c'\n",
  "double quotes": 'A="b c"\n',
  "escapes in double": 'A="b\\nc\\td\\"e\\\\f"\n',
  "escapes in single": "A='b\\nc\\'d\\\\e'\n",
  "escapes unquoted": "A=b\\nc\n",
  "comment line": "# A=1\nB=2\n",
  "comment behind": "A=b # c\n",
  "hash without blank": "A=b#c\n",
  "hash in quotes": "A='b # c'\n",
  "comment behind quotes": 'A="b" # c\n',
  "lines in double": 'A="b\nc"\nD=1\n',
  "lines in single": "A='b\nc'\nD=1\n",
  "back ticks": "A=`b c`\n",
  "back ticks lines": "A=`b\nc`\nD=1\n",
  CRLF: "A=b\r\nB=c\r\n",
  CR: "A=b\rB=c\r",
  BOM: "﻿A=b\n",
  twice: "A=1\nA=2\n",
  "equals in value": "A=b=c==\n",
  colon: "A: b\n",
  "dot name": "a.b=c\n",
  "dash name": "a-b=c\n",
  "quoted name": "'A'=b\n",
  json: 'A={"b": "c"}\n',
  "open double": 'A="b\nB=1\n',
  "open single": "A='b\nB=1\n",
  apostrophe: "A=it's\n",
  "quote within": 'A=b"c"d\n',
  "text behind quotes": 'A="b"c\nB=1\n',
  interpolation: "A=b\nB=${A}c\n",
  "interpolation default": "B=${X:-d}c\n",
  "interpolation empty": "A=\nB=${A:-d}\n",
  "interpolation missing": "B=${X}c\n",
  "bare dollar": "A=b\nB=$A-c\n",
  "dollar password": "A=pa$$word$1\n",
  "interpolation in single": "A=b\nB='${A}'\n",
  "interpolation of process": "B=${FROM_PROCESS}\n",
  "interpolation escaped": 'A=b\nB="\\${A}"\n',
  command: "A=$(id)\n",
  "interpolation later": "B=${A}\nA=b\n",
  unicode: "A=äöü\n",
  "unicode name": "ä=b\n",
  tabs: "A\t=\tb\n",
  "blank lines": "\n\nA=b\n\n",
  "empty quotes": "A=''\nB=\"\"\n",
  url: "A=postgres://u:p@h/d?x=1#f\n",
  "unicode escape": 'A="\\u0041\\x41"\n',
  "backslash at end": "A=b\\\nB=c\n",
  "lone equals": "=b\nA=1\n",
  digits: "1A=b\n",
  "space in name": "A B=c\nD=1\n",
  nbsp: "A= b \n",
  "form feed": "A=b\fc\n",
  "multi-line key pem": 'K="-----BEGIN KEY-----\nab+/=\n-----END KEY-----"\nB=1\n',
  self: "PATH2=${PATH2}:x\n",
  "default with braces": "A=${X:-{}}\n",
  "bad brace": "A=${X\n",
  "nested default": "A=${X:-${Y:-z}}\n",
  "comment no blank after quote": "A='b'#c\n",
  "hash first": "A=#b\n",
  "hash after blank": "A= #b\n",
  "a quote closed behind lines, and more": 'A="b\nc"d\nE=1\n',
  "two names in a line": 'A="b" B=c\nD=1\n',
  "double quotes around a name": '"A"=b\n',
  "two comments": "A=b #c #d\n",
  "export without a name": "export\nA=1\n",
  "export as a name": "export=1\n",
  "another operator in braces": "A=${X:?err}\n",
};

let expected: readonly unknown[] = [];
before(() => {
  const input = JSON.stringify(Object.values(FILES));
  const told: unknown = JSON.parse(
    execFileSync(requirePython(), ["-c", READ], { input, encoding: "utf8" }),
  );
  assert(Array.isArray(told));
  expected = told;
});

function read(text: string): [string, string][] {
  const known = new Map<string, string>();
  const valueOf = (name: string): string | undefined =>
    name === "FROM_PROCESS" ? "p" : known.get(name);
  // The byte order mark is left out where the file is read.
  for (const [name, value] of parseEnvText(text.replace(/^\uFEFF/, "")))
    known.set(name, expandReferences(value, valueOf, 1000) ?? "");
  return [...known];
}

describe("reads as python-dotenv does", () => {
  for (const [index, [name, text]] of Object.entries(FILES).entries())
    test(name, () => assert.deepEqual(read(text), expected[index]));
});

test(
  "a long file of nothing but quotes, blanks or references is read once",
  { timeout: 20_000 },
  () => {
    for (const text of ["'", '"', " ", "\\", "${", "${a:-", "${:", "A='", 'A="\\\n', "=", "#"])
      for (const [begin, end] of [
        ["", ""],
        ["A=", ""],
        ["A=x", "y"],
        ["A=", ":}"],
      ] as const)
        for (const [, value] of parseEnvText(`${begin}${text.repeat(100_000)}${end}`))
          expandReferences(value, () => undefined, 1_000_000);
  },
);
