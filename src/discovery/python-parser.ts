// The parser of Python's syntax, @lezer/python. It is loaded when the first source is read: a start that names its
// application, and a site of files, have no use for it. The parser recovers from mistakes of syntax.

import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

import type { parser } from "@lezer/python";

type Parser = typeof parser;
export type SyntaxTree = ReturnType<Parser["parse"]>;
export type SyntaxNode = SyntaxTree["topNode"];

let loaded: Parser | null = null;

/** The tree of a source; null: it is nested too deeply for the parser, which has a function call for each level. */
export function parsePython(source: string): SyntaxTree | null {
  loaded ??= loadParser();
  try {
    return loaded.parse(source);
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/** import() would make every reader of a configuration asynchronous. The ES module is required: the wheel has no other. */
function loadParser(): Parser {
  const path = fileURLToPath(import.meta.resolve("@lezer/python"));
  const found: unknown = createRequire(import.meta.url)(path);
  if (!isParserModule(found)) throw new Error("@lezer/python has no parser");
  return found.parser;
}

function isParserModule(found: unknown): found is { readonly parser: Parser } {
  return typeof found === "object" && found !== null && "parser" in found;
}
