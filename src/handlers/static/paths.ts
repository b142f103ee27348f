// How a canonical path names something in a served folder, and how it stands in a URL. Pure. A path is latin-1:
// one character, one byte.

import { hasKnownEnding } from "../../http/media-types.ts";
import { percentEncoded } from "../../http/target.ts";

/** The only name with a dot in front that is served, at the root of the site. RFC 8615. */
const WELL_KNOWN = ".well-known";
/** Bytes that do not stand for themselves in the path of a URL. RFC 3986 §3.3. */
const UNSAFE = /[^!$&'()*+,\-./0-9:;=@A-Z_a-z~]/g;

/**
 * The names on the way to what `path` names: "/a/b/" → ["a", "b"]. Null: hidden, because a name begins with a
 * dot. `path`: canonical, or "".
 */
export function namesOf(path: string): readonly string[] | null {
  const names = path.split("/").filter((name) => name !== "");
  const isHidden = names.some(
    (name, index) => name.startsWith(".") && (index > 0 || name !== WELL_KNOWN),
  );
  return isHidden ? null : names;
}

/** A path as a part of a URL: all bytes that could mean something else are percent-encoded. */
export function encodePath(path: string): string {
  return path.replaceAll(UNSAFE, percentEncoded);
}

/**
 * Whether a path may be one of a single-page application, which its script understands. The path of a missing
 * script or image is not: a page in its place would hide the fault.
 */
export function isPagePath(names: readonly string[]): boolean {
  return !hasKnownEnding(names.at(-1) ?? "");
}
