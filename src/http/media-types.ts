// The media type of a file by its name. Pure; the table is that of the mime package.

import mime from "mime";

const UNKNOWN = "application/octet-stream";

/** The Content-Type of a file: text is taken for UTF-8. Unknown endings are bytes that browsers save. */
export function contentTypeOf(name: string): string {
  const type = mediaType(name);
  if (type === null) return UNKNOWN;
  return type.startsWith("text/") ? `${type}; charset=utf-8` : type;
}

/** Whether a name has the ending of a file of a known type. */
export function hasKnownEnding(name: string): boolean {
  return mediaType(name) !== null;
}

/** Without a dot before its last part a name has no ending: a file "html" is no page. */
function mediaType(name: string): string | null {
  return name.lastIndexOf(".") > 0 ? mime.getType(name) : null;
}
