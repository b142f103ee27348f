// The one path of a request by which routes, guards and files are chosen. Pure. Two spellings of one path have
// the same canonical path, so that no spelling passes by a guard: percent-encodings are decoded once, runs of
// slashes are one slash, "." and ".." segments are resolved (RFC 3986 §6.2.2). Applications get the path as sent.

/** A path that has its canonical form already: no encoding, no empty segment, no segment that begins with a dot. */
const CHANGING = /%|\/\/|\/\./;

/**
 * The canonical path: decoded bytes as latin-1, begins with "/", a trailing slash stays. Null: the path leaves
 * the root, or holds an encoded NUL. `path`: as sent, begins with "/".
 */
export function canonicalPath(path: string): string | null {
  if (!CHANGING.test(path)) return path;
  const decoded = decodedPath(path);
  if (decoded.includes("\0")) return null;
  const segments: string[] = [];
  const all = decoded.split("/");
  for (const segment of all) {
    if (segment === "..") {
      if (segments.pop() === undefined) return null;
    } else if (segment !== "" && segment !== ".") segments.push(segment);
  }
  const last = all.at(-1) ?? "";
  const isFolder = last === "" || last === "." || last === "..";
  return segments.length === 0 ? "/" : `/${segments.join("/")}${isFolder ? "/" : ""}`;
}

/** A path decoded once, as a worker does it, with its dot segments and empty segments; bytes as latin-1. */
export function decodedPath(path: string): string {
  return path.replaceAll(/%([0-9A-Fa-f]{2})/g, decodeByte);
}

function decodeByte(_: string, digits: string): string {
  return String.fromCharCode(Number.parseInt(digits, 16));
}
