// Reads typhon.toml into tables whose values know their lines. The parser is the library's; this file turns its
// syntax tree into tables. Knows no option.

import { ParseError, parseTOML, type AST } from "toml-eslint-parser";

import type { Located } from "./located.ts";
import { OperatorError } from "./operator-error.ts";
import { readTextFile } from "./text-file.ts";

/** Most bytes of the file. A route takes about 200 bytes. */
export const MAX_FILE_BYTES = 1_048_576;

type Nested = Map<string, Located>;

/** The top table of a file. `name`: the file's name in error lines. Throws OperatorError. */
export function readTomlFile(
  path: string,
  { name, by, mayWait }: { readonly name: string; readonly by: string; readonly mayWait: boolean },
): ReadonlyMap<string, Located> {
  const limits = { maxBytes: MAX_FILE_BYTES, form: "in the syntax of TOML", mayWait };
  return readToml(readTextFile(by, path, limits), name);
}

/** The top table of a TOML text. Throws OperatorError with the line of the first fault of syntax. */
export function readToml(text: string, name: string): ReadonlyMap<string, Located> {
  try {
    return new TableBuilder(name).build(parseTOML(text).body[0].body);
  } catch (error) {
    // The parser has a function call for each level.
    if (error instanceof RangeError)
      throw new OperatorError(
        `${name}: this is no TOML for Typhon: brackets are nested too deeply`,
      );
    if (!(error instanceof ParseError)) throw error;
    throw new OperatorError(
      `${name}:${lineOf(error, text)}: this is no TOML: ${error.message} (column ${error.column + 1})`,
    );
  }
}

/** The line of a fault. A missing value is found only on the next line. */
function lineOf({ index, lineNumber }: ParseError, text: string): number {
  const before = text.slice(0, index).trimEnd();
  return before.endsWith("=") ? before.split("\n").length : lineNumber;
}

/** Makes nested tables of the parser's tree. The parser has refused keys that stand twice. */
class TableBuilder {
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  build(body: AST.TOMLTopLevelTable["body"]): Nested {
    const top: Nested = new Map();
    for (const node of body) {
      if (node.type === "TOMLKeyValue") this.#add(top, node);
      else {
        const table = this.#tableAt(top, node.resolvedKey, node);
        for (const entry of node.body) this.#add(table, entry);
      }
    }
    return top;
  }

  /** The table of a header: `path` has a number for each element of an array of tables. */
  #tableAt(top: Nested, path: readonly (string | number)[], node: AST.TOMLTable): Nested {
    const brackets = node.kind === "array" ? (["[[", "]]"] as const) : (["[", "]"] as const);
    const names = path.filter((part) => typeof part === "string");
    const by = this.#place(node, brackets.join(names.join(".")));
    let table = top;
    path.forEach((part, at) => {
      if (typeof part === "number") return;
      const index = path[at + 1];
      table = typeof index === "number" ? element(table, part, index, by) : inner(table, part, by);
    });
    return table;
  }

  #add(table: Nested, { key, value }: AST.TOMLKeyValue): void {
    const names = key.keys.map((one) => (one.type === "TOMLBare" ? one.name : one.value));
    const last = names.pop() ?? "";
    const by = this.#place(key, [...names, last].join("."));
    let into = table;
    for (const name of names) into = inner(into, name, by);
    into.set(last, this.#located(value, by));
  }

  #located(node: AST.TOMLContentNode, by: string): Located {
    if (node.type === "TOMLArray") {
      const label = by.slice(by.lastIndexOf(": ") + 2);
      const items = node.elements.map((item) => this.#located(item, this.#place(item, label)));
      return { kind: "array", by, items };
    }
    if (node.type === "TOMLInlineTable") {
      const entries: Nested = new Map();
      for (const entry of node.body) this.#add(entries, entry);
      return { kind: "table", by, entries };
    }
    if (node.kind === "string" && node.value.includes("\0"))
      throw new OperatorError(`${by} must have no \\u0000: no path, name or variable may hold it`);
    if (node.kind === "string" || node.kind === "boolean")
      return { kind: node.kind, by, text: String(node.value) };
    if (node.kind === "integer") return { kind: "number", by, text: String(node.bigint) };
    if (node.kind === "float") return { kind: "number", by, text: String(node.value) };
    return { kind: "date", by, text: node.datetime };
  }

  #place(node: AST.HasLocs, label: string): string {
    return `${this.#name}:${node.loc.start.line}: ${label}`;
  }
}

/** The table under a key, made if it is new. */
function inner(table: Nested, key: string, by: string): Nested {
  const known = table.get(key);
  if (known?.kind === "table" && known.entries instanceof Map) return known.entries;
  const entries: Nested = new Map();
  table.set(key, { kind: "table", by, entries });
  return entries;
}

/** An element of the array of tables under a key, made if it is new. */
function element(table: Nested, key: string, index: number, by: string): Nested {
  const known = table.get(key);
  // The same array for all elements: copies of it would take minutes where a file has 100,000.
  const items = known?.kind === "array" && isOurs(known.items) ? known.items : [];
  const found = items[index];
  if (found?.kind === "table" && found.entries instanceof Map) return found.entries;
  const entries: Nested = new Map();
  items.push({ kind: "table", by, entries });
  table.set(key, { kind: "array", by, items });
  return entries;
}

/** Every array of a table that is being made was made here. */
function isOurs(items: readonly Located[]): items is Located[] {
  return Array.isArray(items);
}
