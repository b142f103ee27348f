// Writes docs/typhon.schema.json, a JSON Schema of typhon.toml for editors, from the table of options
// (src/config/schema.ts):
//     node tools/render-schema.ts
// A test compares the file with the table, so the file is never edited by hand.

import { writeFileSync } from "node:fs";

import { MAX_APPLICATIONS, MAX_CERTIFICATES, MAX_ROUTES } from "../src/config/file-tables.ts";
import { FILE_KEYS, type Option } from "../src/config/schema.ts";
import type { ValueSchema } from "../src/config/values.ts";

const TARGETS = ["app", "static", "cgi", "redirect", "respond"];

/** The schema, draft 7, which taplo and VS Code read. */
export function schemaOfFile(): object {
  const application = {
    ...tableOf(FILE_KEYS.app),
    description: "One application.",
    required: ["app"],
  };
  const route = {
    ...tableOf(FILE_KEYS.route),
    description: "One route: a host, a path and one target.",
    oneOf: TARGETS.map((target) => ({ required: [target] })),
  };
  const certificate = {
    ...tableOf(FILE_KEYS.certificate),
    description: "One certificate, chosen by the names in it.",
    required: ["certfile"],
  };
  const client = {
    ...tableOf(FILE_KEYS.client),
    description: "Client certificates for a host.",
    required: ["host"],
  };
  const top = tableOf(FILE_KEYS.top);
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "typhon.toml",
    description: "What a Typhon server serves, and how.",
    ...top,
    properties: {
      ...top.properties,
      apps: {
        type: "object",
        propertyNames: { pattern: "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$" },
        maxProperties: MAX_APPLICATIONS,
        additionalProperties: application,
      },
      routes: { type: "array", maxItems: MAX_ROUTES, items: route },
      certificates: { type: "array", maxItems: MAX_CERTIFICATES, items: certificate },
      "client-certificates": { type: "array", maxItems: MAX_CERTIFICATES, items: client },
    },
  };
}

/** The file's text. */
export function renderSchema(): string {
  return `${JSON.stringify(schemaOfFile(), null, 2)}\n`;
}

interface TableSchema {
  readonly type: "object";
  readonly additionalProperties: false;
  readonly properties: Readonly<Record<string, object>>;
}

function tableOf(options: readonly Option<unknown>[]): TableSchema {
  const properties: Record<string, object> = {};
  for (const option of options) {
    const { name, alias, doc } = option;
    const value = { description: doc, ...valuesOf(option), ...fallbackOf(option) };
    properties[name] = value;
    if (alias !== null) properties[alias] = value;
  }
  return { type: "object", additionalProperties: false, properties };
}

/** One value, an array of them for an option that may be repeated, or a table. */
function valuesOf({ read, entry, isRepeatable }: Option<unknown>): ValueSchema {
  const one: ValueSchema = read.schema ?? { type: "string" };
  if (one.type === "object") return one;
  if (entry !== null) {
    const scalars = ["string", "number", "boolean"] as const;
    const table: ValueSchema = {
      type: "object",
      additionalProperties: { anyOf: scalars.map((type) => ({ type })) },
    };
    return { anyOf: [table, { type: "array", items: one }] };
  }
  return isRepeatable ? { anyOf: [one, { type: "array", items: one }] } : one;
}

function fallbackOf({ read, fallback, isRepeatable }: Option<unknown>): object {
  if (fallback === null || fallback === "" || isRepeatable) return {};
  const type = read.schema?.type;
  if (type === "boolean") return { default: fallback === "true" };
  return { default: type === "integer" || type === "number" ? Number(fallback) : fallback };
}

if (import.meta.main)
  writeFileSync(new URL("../docs/typhon.schema.json", import.meta.url), renderSchema());
