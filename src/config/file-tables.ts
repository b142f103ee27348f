// The tables of typhon.toml, or of a program's options: the top level, [apps.NAME], [[routes]], [[certificates]]
// and [[client-certificates]]. Finds every
// mistake that one key shows by itself: unknown keys, and values that their readers refuse. Pure.

import { textsOf, type Located, type Table } from "./located.ts";
import { nearestWord } from "./nearest.ts";
import { OperatorError, type Mistakes } from "./operator-error.ts";
import type { Option } from "./option.ts";
import { FILE_KEYS } from "./schema.ts";
import { readGiven } from "./sources.ts";
import { mayBeFolder } from "./values.ts";

/** The router looks at one route after the other. */
export const MAX_ROUTES = 1000;
/** As many hosts as routes. */
export const MAX_CERTIFICATES = 1000;
/** Each application has a launcher and at least one worker. */
export const MAX_APPLICATIONS = 100;
/** Keys whose default is another one than an empty list, which may have been meant for nobody. */
const OPEN_KEYS: ReadonlySet<string> = new Set(["allow", "bind", "host", "index"]);
/** Log lines and routes name an application by it. */
const APPLICATION_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/;

/** One `[apps.NAME]`; `by`: its place for error lines. */
interface ApplicationTable {
  readonly name: string;
  readonly by: string;
  readonly table: Table;
}

/** One table of an array, such as `[[routes]]`. */
export interface ArrayTable {
  readonly by: string;
  readonly table: Table;
}

export interface FileTables {
  readonly top: Table;
  readonly applications: readonly ApplicationTable[];
  readonly routes: readonly ArrayTable[];
  readonly certificates: readonly ArrayTable[];
  readonly clients: readonly ArrayTable[];
  /** Whether there are applications or routes at all, right or wrong ones. */
  readonly hasSite: boolean;
}

type Level = keyof typeof FILE_KEYS;
const LEVELS: readonly Level[] = ["top", "app", "route", "certificate", "client"];
const LEVEL_NAMES: Readonly<Record<Level, string>> = {
  top: "the top level",
  app: "[apps.NAME]",
  route: "[[routes]]",
  certificate: "[[certificates]]",
  client: "[[client-certificates]]",
};
/** Keys of the top level that are no options. */
const TABLE_KEYS = ["apps", "routes", "certificates", "client-certificates"];

export const EMPTY_TABLES: FileTables = {
  top: new Map(),
  applications: [],
  routes: [],
  certificates: [],
  clients: [],
  hasSite: false,
};

/** The tables of a file's top table; relative paths start at `folder`. */
export function readTables(all: Table, folder: string, mistakes: Mistakes): FileTables {
  const top = new Map(all);
  for (const key of TABLE_KEYS) top.delete(key);
  checkTable(top, "top", folder, mistakes);
  const applications = mistakes.attempt(() => applicationTables(all.get("apps"), mistakes), []);
  for (const { table } of applications) checkTable(table, "app", folder, mistakes);
  const arrayOf = (key: string, level: Level, most: number): readonly ArrayTable[] => {
    const tables = mistakes.attempt(() => arrayTables(all.get(key), key, most), []);
    for (const { table } of tables) checkTable(table, level, folder, mistakes);
    return tables;
  };
  return {
    top,
    applications,
    routes: arrayOf("routes", "route", MAX_ROUTES),
    certificates: arrayOf("certificates", "certificate", MAX_CERTIFICATES),
    clients: arrayOf("client-certificates", "client", MAX_CERTIFICATES),
    hasSite: all.has("apps") || all.has("routes"),
  };
}

function applicationTables(located: Located | undefined, mistakes: Mistakes): ApplicationTable[] {
  if (located === undefined) return [];
  if (located.kind !== "table")
    throw new OperatorError(`${located.by} must be tables: [apps.NAME] for each application`);
  if (located.entries.size > MAX_APPLICATIONS)
    throw new OperatorError(`${located.by} has too many applications: at most ${MAX_APPLICATIONS}`);
  return [...located.entries].flatMap(([name, one]) =>
    mistakes.attempt(() => [applicationTable(name, one)], []),
  );
}

function applicationTable(name: string, located: Located): ApplicationTable {
  const { by } = located;
  if (located.kind !== "table")
    throw new OperatorError(
      `${by} must be a table: [apps.NAME] with the options of an application`,
    );
  if (!APPLICATION_NAME.test(name))
    throw new OperatorError(
      `${by} must have a name of at most 64 letters, digits, dots, - and _ (ASCII)`,
    );
  return { name, by, table: located.entries };
}

function arrayTables(located: Located | undefined, key: string, most: number): ArrayTable[] {
  if (located === undefined) return [];
  const { by } = located;
  const expected = `must be an array of tables: [[${key}]] for each`;
  if (located.kind !== "array") throw new OperatorError(`${by} ${expected}`);
  if (located.items.length > most)
    throw new OperatorError(`${by} has too many ${key.replace("-", " ")}: at most ${most}`);
  return located.items.map((item) => {
    if (item.kind === "table") return { by: item.by, table: item.entries };
    throw new OperatorError(`${item.by} ${expected}`);
  });
}

function checkTable(table: Table, level: Level, folder: string, mistakes: Mistakes): void {
  const options = FILE_KEYS[level];
  for (const [key, located] of table) {
    const option = options.find((one) => isKeyOf(key, one));
    if (option === undefined) mistakes.add(`${located.by} ${unknownKey(key, level)}`);
    else if (OPEN_KEYS.has(key) && isEmpty(located))
      mistakes.add(`${located.by} is empty; leave it out for the usual: ${option.fallbackWords}`);
    else if (key === option.alias && table.has(option.name))
      mistakes.add(`${located.by} and ${option.name} are the same; give one of them`);
    else
      for (const given of mistakes.attempt(() => textsOf(located, option, folder), []))
        mistakes.attempt(() => checkValue(given, option), undefined);
  }
}

function checkValue(given: Parameters<typeof readGiven>[0], option: Option<unknown>): void {
  // `app` at the top level may be a folder, which configuration-maker.ts finds.
  if (option.name !== "app" || !mayBeFolder(given.text)) readGiven(given, option);
}

function isEmpty(located: Located): boolean {
  return located.kind === "array"
    ? located.items.length === 0
    : "text" in located && located.text === "";
}

function isKeyOf(key: string, { name, alias }: Option<unknown>): boolean {
  return key === name || key === alias;
}

/** The end of an error line: where the key belongs, the nearest known key, or the keys there are. */
function unknownKey(key: string, level: Level): string {
  const keysOf = (one: Level): readonly Option<unknown>[] => FILE_KEYS[one];
  const other = LEVELS.find(
    (one) => one !== level && keysOf(one).some((option) => isKeyOf(key, option)),
  );
  if (other !== undefined)
    return `is no key of ${LEVEL_NAMES[level]}; it belongs to ${LEVEL_NAMES[other]}`;
  const names = FILE_KEYS[level].map(({ name }) => name);
  const all = level === "top" ? [...names, ...TABLE_KEYS] : names;
  const nearest = nearestWord(key, all);
  if (nearest !== null) return `is no key of ${LEVEL_NAMES[level]}; did you mean ${nearest}?`;
  const allowed = level === "top" ? "see docs/options.md" : `allowed: ${all.join(", ")}`;
  return `is no key of ${LEVEL_NAMES[level]}; ${allowed}`;
}
