// The version of this package, read from its package.json. The relative path is the same for src/config and
// dist/config.

import { readFileSync } from "node:fs";

/** The version, such as "0.1.0". */
export function readVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  const parsed: unknown = JSON.parse(text);
  if (typeof parsed === "object" && parsed !== null && "version" in parsed)
    return String(parsed.version);
  throw new Error("package.json has no version");
}
