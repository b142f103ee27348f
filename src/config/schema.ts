// The one table of options. Flags, TYPHON_… variables, checks, `typhon --help` and docs/options.md
// all come from here; nothing else knows what an option is called or what it takes. What depends on
// the machine (cores, interpreter, folders) or on two options at once is decided in load.ts.

import type { Option } from "./option.ts";
import { ADDRESS } from "./table/address.ts";
import { APPLICATION } from "./table/application.ts";
import { LIMITS } from "./table/limits.ts";
import { LOGS } from "./table/logs.ts";
import { PROCESS } from "./table/process.ts";
import { TIMES } from "./table/times.ts";
import { WEB_SOCKETS } from "./table/web-sockets.ts";
import { WORKERS } from "./table/workers.ts";
import { readApp } from "./values.ts";

export { GROUPS, type Option } from "./option.ts";

/** The one argument that is no flag; TYPHON_APP may give it. */
export const APP = {
  name: "app",
  placeholder: "APP",
  help: "the application: module:callable, module, path/to/file.py[:callable] or module:factory()",
  doc: "`module:callable`, `module` (then its `app`, then its `application`), `path/to/file.py[:callable]`, or `module:factory()`, which is called without arguments and returns the application. A dotted name after the colon is followed: `shop:site.app`.",
  read: readApp,
} as const;

export const OPTIONS = {
  ...ADDRESS,
  ...APPLICATION,
  ...WORKERS,
  ...TIMES,
  ...LIMITS,
  ...WEB_SOCKETS,
  ...LOGS,
  ...PROCESS,
} as const;

/** What is shown and then the command ends. */
export const SWITCHES = [
  { name: "help", short: "h", placeholder: null, help: "show this help" },
  { name: "version", short: null, placeholder: null, help: "show the version" },
] as const;

/** All options in the order of the table, whatever they read. */
export const OPTION_LIST: readonly Option<unknown>[] = Object.values(OPTIONS);

/** "max-body" → "TYPHON_MAX_BODY". */
export function variableOf(name: string): string {
  return `TYPHON_${name.toUpperCase().replaceAll("-", "_")}`;
}
