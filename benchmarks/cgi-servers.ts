// The servers of the suite "cgi" and how each is started: the same folder of programs below /cgi-bin, no access log,
// connections kept alive. The processor time of each is counted by a control group (cpu-group.ts). As root Apache
// and lighttpd run the programs as www-data, Typhon as itself.
//
//   typhon       Python programs in forks of templates; others are started anew
//   typhon-cold  --cgi-warm off: every program is started anew
//   apache       mod_cgid with the event MPM, Debian's defaults
//   lighttpd     mod_cgi

import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import {
  APACHE,
  apacheConfiguration,
  apacheWords,
  LIGHTTPD,
  lighttpdConfiguration,
  lighttpdWords,
  type CgiService,
} from "../test/support/cgi-servers.ts";
import { CACHE, CASES_FOLDER, TYPHON } from "./places.ts";
import { flags, type Program, type Server, type Start } from "./servers.ts";

const SUITES = ["cgi"] as const;
const SOURCES = join(CASES_FOLDER, "cgi-bin");
/** Debian's interpreter, which the programs' shebangs name, and its user for web servers. */
const PYTHON = "/usr/bin/python3";
const WEB_USER = { name: "www-data", id: 33 };

/** In the order in which they are shown. */
export const CGI_SERVERS: readonly Server[] = [
  {
    name: "typhon",
    title: "Typhon, warm",
    family: "typhon",
    suites: SUITES,
    isGrouped: true,
    programs: (start) => [typhon(start, "auto")],
  },
  {
    name: "typhon-cold",
    title: "Typhon, cold",
    family: "typhon",
    suites: SUITES,
    isGrouped: true,
    programs: (start) => [typhon(start, "off")],
  },
  {
    name: "apache",
    title: "Apache, mod_cgid",
    family: "apache",
    suites: SUITES,
    isGrouped: true,
    programs: (start) => {
      const service = makeService(start);
      writeFileSync(join(start.folder, "apache.conf"), apacheConfiguration(service));
      return [reference(APACHE, apacheWords(service))];
    },
  },
  {
    name: "lighttpd",
    title: "lighttpd, mod_cgi",
    family: "lighttpd",
    suites: SUITES,
    isGrouped: true,
    programs: (start) => {
      const service = makeService(start);
      writeFileSync(join(start.folder, "lighttpd.conf"), lighttpdConfiguration(service));
      return [reference(LIGHTTPD, lighttpdWords(service))];
    },
  },
];

/** The commands without which a server cannot be measured, by the server's name. */
export const CGI_COMMANDS: Readonly<Record<string, string>> = {
  apache: APACHE,
  lighttpd: LIGHTTPD,
};

/** A copy of the programs in the folder of the run, which every user may enter. */
function makeService({ port, folder }: Start): CgiService {
  const isRoot = process.getuid?.() === 0;
  const programs = join(folder, "cgi-bin");
  cpSync(SOURCES, programs, { recursive: true });
  copyFileSync(buildProgram(), join(programs, "hello.cgi"));
  chmodSync(folder, 0o755);
  if (isRoot) chownSync(folder, WEB_USER.id, WEB_USER.id);
  const place = { path: "/cgi-bin", place: programs, isFolder: true, env: {} };
  return { port, folder, places: [place], user: isRoot ? WEB_USER.name : null };
}

/** The program in C, built once. */
function buildProgram(): string {
  const built = join(CACHE, "hello.cgi");
  mkdirSync(CACHE, { recursive: true });
  if (!existsSync(built)) execFileSync("cc", ["-O2", "-o", built, join(SOURCES, "hello.c")]);
  return built;
}

function reference(command: string, args: readonly string[]): Program {
  return { command, args, environment: {}, clients: "all processes" };
}

function typhon(start: Start, warm: "auto" | "off"): Program {
  const [place] = makeService(start).places;
  const given = {
    "--cgi": `/cgi-bin=${place?.place ?? ""}`,
    "--cgi-warm": warm,
    "--bind": `127.0.0.1:${start.port}`,
    "--python": PYTHON,
    "--access-log": "off",
  };
  return { command: TYPHON, args: flags(given), environment: {}, clients: "first process" };
}
