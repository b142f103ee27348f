// The version of this package, from its package.json: the one place where it is written. src/config and
// dist/config lie equally deep, so the path is the same for both.

import { readFileSync } from "node:fs";

/** Such as "0.1.0". */
export function readVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  const parsed: unknown = JSON.parse(text);
  if (typeof parsed === "object" && parsed !== null && "version" in parsed)
    return String(parsed.version);
  throw new Error("package.json has no version");
}
