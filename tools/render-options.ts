// Writes docs/options.md from the table of options (src/config/schema.ts):
//     node tools/render-options.ts
// A test compares the page with the table, so the page is never edited by hand.

import { writeFileSync } from "node:fs";

import { isOnByDefault } from "../src/config/option.ts";
import {
  APP,
  FILE_KEYS,
  GROUPS,
  OPTION_LIST,
  ROUTE_KEYS,
  SWITCHES,
  variableOf,
  type Option,
} from "../src/config/schema.ts";

const OPENING = `# Options

<!-- Rendered from src/config/schema.ts by tools/render-options.ts; changes by hand are lost. -->

\`typhon [APP] [options]\`, \`typhon --config FILE [options]\`, \`typhon check [APP] [options]\`, \`typhon init\`, \`typhon reload\`

Each option can also be set by the environment variable that is named with it, and in [the file](#the-file-typhontoml).
A flag wins over the variable, the variable over the file, the file over variables of other servers such as
\`WEB_CONCURRENCY\`, and these over the default. An empty variable counts as not set. If a flag is given twice but cannot be repeated, the
last one wins. \`--no-NAME\` turns off an option without a value, such as \`--no-health\`. A file of \`--env-file\` may hold these variables too. The variable of a repeatable option holds all values, separated by commas or spaces; only
\`TYPHON_ENV\`, \`TYPHON_CGI_ENV\`, \`TYPHON_MOUNT\` and \`TYPHON_HEADER\` have one value on each line.

Durations are in seconds and may have fractions (\`2.5\`). Sizes are in bytes, or \`512k\`, \`10M\`, \`1G\` in powers of 1,024.

Each mistake is reported in one line that names the option, the variable or the line of the file, with exit code 2. If the application does not load, the exit code is 3.
`;

const FILE = `## The file \`typhon.toml\`

<!-- not run: only checked, by test/config/typhon-schema.test.ts -->
\`\`\`toml
#:schema ./typhon.schema.json
bind = ["0.0.0.0:8000", "unix:typhon.sock"]
access-log = "-"
workers = 2                        # of each application
env = { LANG = "C.UTF-8" }         # for each application

[apps.shop]
app = "shop.wsgi"
dir = "shop"
env = { DJANGO_SETTINGS_MODULE = "shop.settings" }

[apps.api]
app = "api:app"
dir = "api"
workers = 4
timeout = [30, "/reports=300"]

[[routes]]
host = "shop.example.com"
app = "shop"
cache-control = "no-cache"

[[routes]]
host = "shop.example.com"
path = "/static"
static = "shop/static"

[[routes]]
host = ["api.example.com", "*.api.example.com"]
app = "api"
allow = ["10.0.0.0/8"]
headers = { X-Frame-Options = "DENY", Server = false }

[[routes]]                         # without a host: every other host
redirect = "https://shop.example.com{path}{query}"
\`\`\`

The syntax is [TOML](https://toml.io). \`--config FILE\` names the file; without it \`typhon.toml\` of the working folder is read, if no APP is
given, else \`[tool.typhon]\` of its \`pyproject.toml\`, whose keys and tables are the same (\`[tool.typhon.apps.shop]\`, \`[[tool.typhon.routes]]\`). A file that names no
application and no route is completed by [what is found](guide/discovery.md). Relative paths in the file start at the file's own folder. \`typhon check\` shows what would be served, or every mistake
with its line. [typhon.schema.json](typhon.schema.json) is a JSON Schema: editors with taplo (VS Code: Even Better TOML) complete and check the file
with it.

The file has a top level and tables:

- The top level has the options of this page under the names of their flags, without \`--\`. Options of applications and of routes hold for each of
  them there. \`app = "shop:app"\` alone is a whole site: that application has every path that no route has. Not in the file: \`config\`, \`chdir\`, \`gunicorn-conf\`.
- \`[apps.NAME]\` has the options of one application: \`app\`, and those below that say so. An option stands above the same option of the top level;
  the variables of \`env\` are added to those of the top level. Each application needs a route; a single one without any route has every path.
  At most 100.
- \`[[certificates]]\` has one certificate: \`certfile\`, and if needed \`keyfile\` and \`keyfile-password-file\`. \`[[client-certificates]]\` has the policy of a \`host\`: \`cert-reqs\` and
  \`ca-certs\`; \`cert-reqs = "none"\` excepts a host from the policy of all. At most 1,000 each.
- \`[[routes]]\` has one route. The most specific host wins (a name, then the longest \`*.\` name, then routes without a host), then the longest path. The order in
  the file does not matter. At most 1,000.

Options that may be repeated take one value or an array. Durations and sizes may be numbers: \`timeout = 2.5\`, \`max-body = 1048576\`, \`max-body = "1M"\`.

### Keys of \`[[routes]]\`

One of \`app\`, \`static\`, \`cgi\`, \`redirect\` and \`respond\` is the target. \`cgi-…\`, \`python\` and \`timeout\` are for \`cgi\` alone.
`;

/** The whole page. */
export function renderOptions(): string {
  const parts = [OPENING, section(`\`${APP.placeholder}\``, [APP.doc, variables(APP.name, null)])];
  for (const group of GROUPS) {
    parts.push(`## ${group}\n`);
    for (const option of OPTION_LIST) if (option.group === group) parts.push(describe(option));
  }
  parts.push("## Other\n");
  for (const { name, short, help } of SWITCHES)
    parts.push(
      section(title({ name, short, placeholder: null, isOn: false }), [
        `${help[0]?.toUpperCase()}${help.slice(1)}.`,
      ]),
    );
  parts.push(FILE);
  for (const key of Object.values(ROUTE_KEYS)) parts.push(`${describeKey(key)}\n`);
  return parts.join("\n");
}

function describeKey(option: Option<unknown>): string {
  const { name, placeholder, isFlag, doc } = option;
  if (isFlag) return `- \`${name}\`: as [\`--${name}\`](#${anchor(option)}), for this route.`;
  return `- \`${name} = ${placeholder}\`: ${doc} Default: ${defaultOf(option)}.`;
}

/** The anchor that GitHub gives to the heading of an option. */
function anchor(option: Option<unknown>): string {
  return title({ ...option, isOn: isOnByDefault(option) })
    .toLowerCase()
    .replaceAll(/[^\w -]/g, "")
    .replaceAll(" ", "-");
}

function defaultOf({ fallback, fallbackWords }: Option<unknown>): string {
  return fallbackWords ?? (fallback === null ? "none" : `\`${fallback}\``);
}

function describe(option: Option<unknown>): string {
  const { name, otherVariable, doc } = option;
  return section(title({ ...option, isOn: isOnByDefault(option) }), [
    doc,
    `Default: ${defaultOf(option)}. ${variables(name, otherVariable)}${levels(option)}`,
  ]);
}

interface Title extends Pick<Option<unknown>, "name" | "short" | "placeholder"> {
  /** Whether the flag that turns the option off is shown. */
  readonly isOn: boolean;
}

/** Where the option may stand in the file, if not only at the top level. */
function levels(option: Option<unknown>): string {
  if (!isIn(FILE_KEYS.top, option)) return " Not in the file.";
  const places = [
    ...(isIn(FILE_KEYS.app, option) ? ["`[apps.NAME]`"] : []),
    ...(isIn(FILE_KEYS.route, option) ? ["`[[routes]]`"] : []),
  ];
  return places.length === 0 ? "" : ` Also in ${places.join(" and ")}.`;
}

function isIn(keys: readonly Option<unknown>[], option: Option<unknown>): boolean {
  return keys.includes(option);
}

function title({ name, short, placeholder, isOn }: Title): string {
  const long = isOn ? `--${name}, --no-${name}` : `--${name}`;
  const flags = short === null ? long : `-${short}, ${long}`;
  return `\`${placeholder === null ? flags : `${flags} ${placeholder}`}\``;
}

function variables(name: string, otherVariable: string | null): string {
  const other = otherVariable === null ? "" : `, else \`${otherVariable}\``;
  return `Variable: \`${variableOf(name)}\`${other}.`;
}

function section(heading: string, paragraphs: readonly string[]): string {
  return [`### ${heading}`, ...paragraphs, ""].join("\n\n").replace(/\n\n$/, "\n");
}

if (import.meta.main)
  writeFileSync(new URL("../docs/options.md", import.meta.url), renderOptions());
