// A first typhon.toml, with the usual options as comments. Pure.

import type { InitFacts } from "./facts.ts";

/** The text of the file. */
export function renderToml({ app, appDir, statics, found, python }: InitFacts): string {
  const folders = statics.map(({ prefix, folder }) => `${prefix}=${folder}`);
  return `# Typhon: ${found}.
# "typhon" in this folder serves it, "typhon check" shows what this file means.
# All options are in docs/options.md and in "typhon --help"; each may stand here without its --.

app = ${quote(app ?? "")}
${appDir === "" ? "" : `app-dir = ${quote(appDir)}\n`}${
    folders.length === 0 ? "" : `static = [${folders.map(quote).join(", ")}]\n`
  }
# Where to listen; without it port 80 of all addresses, else 127.0.0.1:8000.
# bind = "127.0.0.1:8000"
# bind = "unix:typhon.sock"      # behind a proxy, with:
# forwarded-allow-ips = "unix"
${
  python === null
    ? ""
    : `
# The interpreter, or the folder of its virtual environment. Found: ${python.why || "--python"}.
# python = ${quote(python.path)}

# Processes (one for each core), and threads in each under WSGI.
# workers = 2
# threads = 4
# Seconds that a request may run; for a path another time.
# timeout = [30, "/reports=300"]
# env = { LANG = "C.UTF-8" }
# env-file = ".env"
`
}
# A line for each request: "-" is standard output.
# access-log = "-"
# Certificates by themselves, on ports 443 and 80:
# domain = "example.com"
# Folders of files, redirects and further applications: docs/guide/site.md.
# [[routes]]
# path = "/downloads"
# static = "downloads"
`;
}

/** A basic string of TOML. */
function quote(text: string): string {
  const escaped = text.replaceAll(/["\\\p{Cc}]/gu, (one) => {
    const code = one.codePointAt(0) ?? 0;
    return one === '"' || one === "\\" ? `\\${one}` : `\\u${code.toString(16).padStart(4, "0")}`;
  });
  return `"${escaped}"`;
}
