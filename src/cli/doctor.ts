// `typhon doctor`: looks at the machine, the interpreter and what a start with the same words would need, and says what
// to do. Starts nothing, and loads no application.

import type { Configuration } from "../config/configuration.ts";
import { readFlags, type Flags } from "../config/flags.ts";
import type { LaunchedBy } from "../config/launched-by.ts";
import { ConfigurationReader } from "../config/load.ts";
import { OperatorError } from "../config/operator-error.ts";
import type { Environment } from "../config/sources.ts";
import { examine } from "../doctor/doctor.ts";
import { finding, renderFindings, type Finding } from "../doctor/finding.ts";
import { askPorts, type PortFacts } from "../doctor/ports.ts";
import { checkMistakes } from "../doctor/settings.ts";
import { escapeText } from "../observe/escape.ts";
import { checkFiles } from "../server.ts";
import { becomeUser } from "../supervisor/privileges.ts";
import { DOCTOR_HELP } from "./help.ts";

/** Taken out of the words before the options are read. */
const ONLINE = "--online";
const JSON_FORM = "--json";

/** Where the command was called, and what has started it. */
export interface Place {
  readonly cwd: string;
  readonly launchedBy: LaunchedBy;
}

export interface DoctorReport {
  /** Ends in a line end. */
  readonly text: string;
  readonly exitCode: number;
}

/** `words`: those behind "doctor". Rejects with OperatorError for a misspelled option. */
export async function doctor(
  words: readonly string[],
  environment: Environment,
  place: Place,
): Promise<DoctorReport> {
  const flags = readFlags(words.filter((word) => word !== ONLINE && word !== JSON_FORM));
  if (flags.wantsHelp) return { text: DOCTOR_HELP, exitCode: 0 };
  const chosen = await readAll(flags, environment, place);
  const usual = chosen.configuration === null ? standIn(environment, place) : chosen;
  const found = await examine({
    configuration: usual.configuration,
    isChosen: chosen === usual,
    ports: chosen.ports,
    environment,
    isOnline: words.includes(ONLINE),
  });
  const all = [...chosen.mistakes, ...(chosen === usual ? [] : usual.mistakes), ...found];
  const findings = withoutRepeats(all).map((one) => ({
    ...one,
    fact: escapeText(one.fact),
    remedy: escapeText(one.remedy),
  }));
  return {
    text: words.includes(JSON_FORM)
      ? `${JSON.stringify(findings, null, 2)}\n`
      : renderFindings(findings),
    exitCode: findings.some(({ level }) => level === "fail") ? 1 : 0,
  };
}

/** A mistake that two readings have found stands once. */
function withoutRepeats(findings: readonly Finding[]): readonly Finding[] {
  return findings.filter(
    ({ fact }, at) => findings.findIndex((other) => other.fact === fact) === at,
  );
}

interface Read {
  /** Null: there is none, or it has mistakes. */
  readonly configuration: Configuration | null;
  readonly ports: readonly PortFacts[];
  readonly mistakes: readonly Finding[];
}

async function readAll(
  flags: Flags,
  environment: Environment,
  { cwd, launchedBy }: Place,
): Promise<Read> {
  let configuration: Configuration | null = null;
  let ports: readonly PortFacts[] = [];
  try {
    const reader = new ConfigurationReader(flags, environment, cwd, { launchedBy });
    await reader.prepare();
    const early = reader.readEarly();
    // As the start does: addresses as root, everything else as the user.
    if (early !== null) ports = await askPorts(early.bind);
    if (early !== null && early.user !== null) becomeUser(early.user);
    configuration = reader.read();
    if (early === null) ports = await askPorts(configuration.listeners.bind);
    await checkFiles(configuration);
    return { configuration, ports, mistakes: [] };
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    // A doctor is asked about the machine alone as well.
    const isAsked = flags.app !== null || flags.texts.size > 0;
    const isMachineOnly = !isAsked && error.text.startsWith("no application given");
    const mistakes = isMachineOnly ? [noApplication(error.text)] : checkMistakes(error.text);
    return { configuration, ports, mistakes };
  }
}

/** What was looked for is left out: the start says it. The last line is the advice. */
function noApplication(text: string): Finding {
  const [fact = ""] = text.split(". Looked for");
  return finding("note", "application", fact, text.split("\n").at(-1));
}

/** The defaults here, without what an operator has chosen. No application of that name is needed. */
function standIn(environment: Environment, { cwd, launchedBy }: Place): Read {
  const others = new Set(["PORT", "WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS"]);
  const left = Object.entries(environment).filter(
    ([name]) => !name.startsWith("TYPHON_") && !others.has(name),
  );
  try {
    const reader = new ConfigurationReader(readFlags(["app:app"]), Object.fromEntries(left), cwd, {
      launchedBy,
    });
    return { configuration: reader.read(), ports: [], mistakes: [] };
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return { configuration: null, ports: [], mistakes: checkMistakes(error.text) };
  }
}
