// Reads the configuration of a command: its words, the environment and the file of settings, now and anew for each
// reload. A flag wins over its TYPHON_… variable, that over GUNICORN_CMD_ARGS, UVICORN_… and gunicorn.conf.py, those over
// the file, that over variables such as PORT, that over the default.

import { resolve } from "node:path";

import { ConfigurationMaker, type Command } from "./configuration-maker.ts";
import type { Configuration } from "./configuration.ts";
import { discoverOnce } from "./discovered.ts";
import { readEnvFiles } from "./env-files.ts";
import { NO_FLAGS, readFlags, type Flags } from "./flags.ts";
import { foreignSources, NO_FOREIGN } from "./foreign-sources.ts";
import { readGunicornConf, type ConfRun, type GunicornConf } from "./gunicorn-conf.ts";
import { NO_LAUNCHER } from "./launched-by.ts";
import type { Table } from "./located.ts";
import { Mistakes, OperatorError } from "./operator-error.ts";
import { freeBytes, kindOf } from "./paths.ts";
import { OPTIONS, type Option } from "./schema.ts";
import type { Early } from "./server-options.ts";
import { findFile, readFile, type FilePlace, type SettingsFile } from "./settings-file.ts";
import {
  flagLayer,
  Sources,
  tableLayer,
  variableLayer,
  type Environment,
  type Layer,
} from "./sources.ts";
import { usualStateDir } from "./tls-options.ts";

/** What `typhon dev` reads without --env-file, in the folder of --app-dir or the current one. */
const DOT_ENV = ".env";
/** How the command was started, beside its words: by what, and whether as `typhon dev`. */
const BY_HAND = { launchedBy: NO_LAUNCHER, isDevelopment: false };

/** Reads the words after the command's name and the environment. Throws OperatorError. */
export function load(
  words: readonly string[],
  environment: Environment,
  cwd: string = process.cwd(),
): Configuration {
  return loadConfiguration(readFlags(words), environment, cwd);
}

/** The configuration that `flags` and `environment` ask for. Throws OperatorError with a line for each mistake. */
export function loadConfiguration(flags: Flags, given: Environment, cwd: string): Configuration {
  return new ConfigurationReader(flags, given, cwd).read();
}

interface Begun {
  readonly maker: ConfigurationMaker;
  readonly mistakes: Mistakes;
}

/** Makes a configuration now, and anew for each reload. */
export class ConfigurationReader {
  /** Whether there is a file to read anew. */
  readonly hasFile: boolean;
  readonly #given: Environment;
  /** Variables of the files of --env-file. They are read only once, because they may be pipes. */
  readonly #envFiles: Readonly<Record<string, string>>;
  readonly #command: Omit<Command, "conf" | "envFiles" | "environment" | "mayWait">;
  /** Found once: a file that is missing at a reload, such as between two steps of an editor, is a mistake. */
  readonly #place: FilePlace | null;
  /** The .env of `typhon dev`; null: it is not read. */
  readonly #dotEnv: string | null;
  readonly #givenConf: ConfRun["given"] | null;
  #conf: GunicornConf | null = null;
  /** Whether a file that is a pipe may be waited for. */
  #mayWait = true;
  /** What `prepare` has read of the file, for the read that follows: a pipe can be read only once. */
  #held: { readonly file: SettingsFile | null } | null = null;
  /** What `readEarly` has begun, for the first read. */
  #begun: Begun | null = null;

  /** Throws OperatorError. */
  constructor(
    flags: Flags,
    given: Environment,
    cwd: string,
    started: Partial<typeof BY_HAND> = BY_HAND,
  ) {
    const mistakes = new Mistakes();
    const foreign = foreignSources(given);
    const layersOf = (variables: Environment): Layer[] => [
      flagLayer(flags, cwd),
      variableLayer(variables, cwd),
      ...foreign.layers(cwd),
    ];
    const sources = new Sources(layersOf(given), mistakes);
    const files = sources.all(OPTIONS.envFile);
    const folder = sources.ask(OPTIONS.appDir);
    this.#givenConf = sources.ask(OPTIONS.gunicornConf);
    mistakes.end();
    const how = { ...BY_HAND, ...started, discover: discoverOnce() };
    this.#given = given;
    this.#envFiles = readEnvFiles(files, given, true);
    this.#command = { flags, cwd, foreign, ...how, freeBytes: askedOnce(freeBytes) };
    this.#place = findFile(cwd, layersOf({ ...given, ...this.#envFiles }));
    const dotEnv = resolve(folder?.folder ?? cwd, folder?.value ?? "", DOT_ENV);
    this.#dotEnv = how.isDevelopment && files.length === 0 ? dotEnv : null;
    this.hasFile = this.#place !== null || this.#givenConf !== null || this.#dotEnv !== null;
  }

  /** Runs gunicorn.conf.py, if one is given, for the `read` that follows. Rejects with OperatorError. */
  async prepare(): Promise<void> {
    if (this.#givenConf === null) return;
    const file = this.#readFile();
    this.#held = { file };
    const first = this.#begin(null);
    this.#held = { file };
    const run = first.maker.confRun(this.#givenConf);
    // Before a mistake in --user the program would run as root.
    first.mistakes.end();
    if (run !== null) this.#conf = await readGunicornConf(run);
  }

  /**
   * The addresses and the user that this process has to become before `read`; null: nobody. Looks at no other
   * file that the configuration names. Throws OperatorError.
   */
  readEarly(): Early | null {
    this.#begun = this.#beginPrepared();
    const early = this.#begun.maker.makeEarly();
    this.#begun.mistakes.end();
    return early;
  }

  /** Throws OperatorError with a line for each mistake. */
  read(): Configuration {
    const current = this.#begun ?? this.#beginPrepared();
    this.#begun = null;
    return finish(current);
  }

  #beginPrepared(): Begun {
    if (this.#givenConf !== null && this.#conf === null)
      throw new Error("prepare() comes before a read");
    return this.#begin(this.#conf);
  }

  #begin(conf: GunicornConf | null): Begun {
    const { file } = this.#held ?? { file: this.#readFile() };
    this.#held = null;
    const dotEnv = file?.table.has(OPTIONS.envFile.name) === true ? {} : this.#readDotEnv();
    const envFiles = { ...this.#envFiles, ...dotEnv };
    // Anew each time, because the variables of a user change with --user.
    const environment = { ...this.#given, ...envFiles };
    const mayWait = this.#mayWait;
    this.#mayWait = false;
    return beginWith({ ...this.#command, conf, envFiles, environment, mayWait }, file);
  }

  #readFile(): SettingsFile | null {
    return readFile(this.#place, { mayWait: this.#mayWait });
  }

  // Read at each reload: a saved .env is a change like that of code.
  #readDotEnv(): Record<string, string> {
    const path = this.#dotEnv;
    if (path === null || kindOf(path) !== "file") return {};
    const one = { by: "typhon dev", text: path, value: path, folder: "/", kind: null };
    return readEnvFiles([one], this.#given, false);
  }
}

/** The first answer for each folder, so that a reload sees no change of a setting that nobody has changed. */
function askedOnce(ask: (folder: string) => number): (folder: string) => number {
  const known = new Map<string, number>();
  return (folder) => {
    const answer = known.get(folder) ?? ask(folder);
    known.set(folder, answer);
    return answer;
  };
}

/** The configuration of a program: `table` has its options as a file would have them. Throws OperatorError. */
export function programConfiguration(
  table: Table,
  environment: Environment,
  cwd: string,
): Configuration {
  const given = { flags: NO_FLAGS, foreign: NO_FOREIGN, conf: null, envFiles: {}, discover: null };
  const command = { ...given, environment, cwd, ...BY_HAND, freeBytes, mayWait: true };
  const file = { name: "createServer", path: null, table, folder: cwd };
  const configuration = finish(beginWith(command, file));
  if (configuration.process.user === null) return configuration;
  throw new OperatorError("--user is for the command; a program changes its user itself");
}

/** The PID file of the server that these flags and this file would start; null: it has none. Throws OperatorError. */
export function pidFileOf(flags: Flags, environment: Environment, cwd: string): string | null {
  return pathOf(OPTIONS.pid, flags, environment, cwd);
}

/** The folder of accounts, keys and certificates of that server; null: none is known. Throws OperatorError. */
export function stateDirOf(flags: Flags, environment: Environment, cwd: string): string | null {
  return pathOf(OPTIONS.acmeDir, flags, environment, cwd) ?? usualStateDir(environment);
}

/** The path that a flag, a variable or the file has for one option, read without the others. */
function pathOf(
  option: Option<string>,
  flags: Flags,
  environment: Environment,
  cwd: string,
): string | null {
  const mistakes = new Mistakes();
  const layers = [
    flagLayer(flags, cwd),
    variableLayer(environment, cwd),
    ...foreignSources(environment).layers(cwd),
  ];
  let given = new Sources(layers, mistakes).ask(option);
  const place = given === null ? findFile(cwd, layers) : null;
  const file = readFile(place, { mayWait: false });
  if (file !== null)
    given = new Sources([tableLayer(file.table, file.folder, true)], mistakes).ask(option);
  mistakes.end();
  return given && resolve(given.folder, given.value);
}

function beginWith(command: Command, file: SettingsFile | null): Begun {
  const mistakes = new Mistakes();
  return { maker: new ConfigurationMaker(command, file, mistakes), mistakes };
}

function finish({ maker, mistakes }: Begun): Configuration {
  const configuration = maker.make();
  mistakes.end();
  return configuration;
}
