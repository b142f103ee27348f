// What a changed configuration asks for and a running server cannot do: listeners, logs and the settings of the
// process are made once, at the start. Pure.

import { isDeepStrictEqual } from "node:util";

import type { Configuration } from "../config/configuration.ts";

/** The parts of a configuration that a reload leaves as they are. */
const FIXED = ["listeners", "logs", "process"] as const;

/** Names of the settings, such as "bind, access-log", that differ and hold only after a restart. */
export function restartNeeded(running: Configuration, wanted: Configuration): readonly string[] {
  return FIXED.flatMap((part) => changedKeys(running[part], wanted[part]));
}

function changedKeys(running: object, wanted: object): readonly string[] {
  const before = new Map(Object.entries(running));
  return Object.entries(wanted)
    .filter(([key, value]) => !isDeepStrictEqual(before.get(key), value))
    .map(([key]) => optionName(key));
}

/** "keepAliveMs" → "keep-alive". */
function optionName(key: string): string {
  return key.replace(/Ms$/, "").replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
