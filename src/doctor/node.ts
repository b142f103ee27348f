// The Node that runs Typhon. Pure.

import { oldNodeWarning } from "../tls/node-version.ts";
import { finding, type Finding } from "./finding.ts";

/** The newest release line that Typhon was tested with. */
const NEWEST_MAJOR = 26;

export function checkNode(version: string, path: string): Finding {
  const what = `Node ${version}, ${path}`;
  const warning = oldNodeWarning(version);
  if (warning !== null)
    return finding("warn", "node", `${what}; it has known holes`, warning.replace(/^.*: u/, "u"));
  if (Number(version.split(".")[0]) > NEWEST_MAJOR)
    return finding("note", "node", `${what}; newer than what this Typhon was tested with`);
  return finding("ok", "node", what);
}
