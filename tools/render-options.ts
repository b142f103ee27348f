// Writes docs/options.md from the table of options (src/config/schema.ts):
//     node tools/render-options.ts
// A test compares the page with the table, so the page is never edited by hand.

import { writeFileSync } from "node:fs";

import {
  APP,
  GROUPS,
  OPTION_LIST,
  SWITCHES,
  variableOf,
  type Option,
} from "../src/config/schema.ts";

const OPENING = `# Options

<!-- Rendered from src/config/schema.ts by tools/render-options.ts; changes by hand are lost. -->

\`typhon APP [options]\`

Each option can also be set by the environment variable that is named with it. A flag wins over the variable, and the
variable over the default. An empty variable counts as not set. If a flag is given twice but cannot be repeated, the
last one wins. A file of \`--env-file\` may hold these variables too. The variable of a repeatable option holds all values, separated by commas or spaces; only
\`TYPHON_ENV\` has one value on each line.

Durations are in seconds and may have fractions (\`2.5\`). Sizes are in bytes, or \`512k\`, \`10M\`, \`1G\` in powers of 1,024.

A mistake is reported in one line that names the option, with exit code 2. If the application does not load, the exit code is 3.
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
    parts.push(section(title(name, short, null), [`${help[0]?.toUpperCase()}${help.slice(1)}.`]));
  return parts.join("\n");
}

function describe(option: Option<unknown>): string {
  const { name, short, placeholder, fallback, fallbackWords, otherVariable, doc } = option;
  const plain = fallback === null ? null : `\`${fallback}\``;
  const words = fallbackWords ?? plain ?? "none";
  return section(title(name, short, placeholder), [
    doc,
    `Default: ${words}. ${variables(name, otherVariable)}`,
  ]);
}

function title(name: string, short: string | null, placeholder: string | null): string {
  const flags = short === null ? `--${name}` : `-${short}, --${name}`;
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
