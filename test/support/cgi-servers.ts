// The same CGI programs under Apache (mod_cgid), lighttpd (mod_cgi) and Typhon: places, their variables, and the
// configuration of each server. Apache and lighttpd are Debian's, with nothing of the machine's own configuration.

import { join } from "node:path";

/** Programs below a path: a folder of programs, or one program that gets every path. */
export interface CgiPlace {
  /** "/prefix", without a slash at the end. */
  readonly path: string;
  /** Absolute. */
  readonly place: string;
  readonly isFolder: boolean;
  /** Added to the environment of the programs. */
  readonly env: Readonly<Record<string, string>>;
}

export interface CgiService {
  readonly port: number;
  /** For configuration, sockets and logs; the user of the programs must be able to enter it. */
  readonly folder: string;
  readonly places: readonly CgiPlace[];
  /** Whom the programs run as; null: as the server itself, which is not root then. */
  readonly user: string | null;
}

/** Debian's commands, where they are for root. */
export const APACHE = "/usr/sbin/apache2";
export const LIGHTTPD = "/usr/sbin/lighttpd";

const APACHE_MODULES = ["mpm_event", "authz_core", "cgid", "alias", "env"];

/** The arguments of Apache, in the foreground. */
export function apacheWords({ folder }: CgiService): string[] {
  return ["-D", "FOREGROUND", "-f", join(folder, "apache.conf")];
}

/** The text of apache.conf. Connections are kept alive without end, as Typhon and lighttpd are told to. */
export function apacheConfiguration({ port, folder, places, user }: CgiService): string {
  const modules = APACHE_MODULES.map(
    (name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`,
  );
  const routes = places.flatMap(({ path, place, isFolder, env }) => {
    const slash = isFolder ? "/" : "";
    const variables = Object.entries(env).map(([name, value]) => `  SetEnv ${name} "${value}"`);
    return [
      `ScriptAlias ${path}${slash} ${place}${slash}`,
      `<Location ${path}>`,
      "  Require all granted",
      ...variables,
      "</Location>",
    ];
  });
  return [
    `ServerRoot ${folder}`,
    "ServerName localhost",
    `PidFile ${folder}/apache.pid`,
    `ErrorLog ${folder}/apache.log`,
    `Listen 127.0.0.1:${port}`,
    ...modules,
    ...(user === null ? [] : [`User ${user}`, `Group ${user}`]),
    `ScriptSock ${folder}/cgid.sock`,
    `DocumentRoot ${folder}`,
    "KeepAliveTimeout 75",
    "MaxKeepAliveRequests 0",
    ...routes,
    "",
  ].join("\n");
}

/** The arguments of lighttpd, in the foreground. */
export function lighttpdWords({ folder }: CgiService): string[] {
  return ["-D", "-f", join(folder, "lighttpd.conf")];
}

/** The text of lighttpd.conf, for folders of programs. */
export function lighttpdConfiguration({ port, folder, places, user }: CgiService): string {
  const aliases = places.map(({ path, place }) => `"${path}/" => "${place}/"`);
  const paths = places.map(({ path, env }) => {
    const variables = Object.entries(env).map(([name, value]) => `"${name}" => "${value}"`);
    return [
      `$HTTP["url"] =~ "^${path}/" {`,
      `  cgi.assign = ("" => "")`,
      `  cgi.execute-x-only = "enable"`,
      `  setenv.add-environment = (${variables.join(", ")})`,
      "}",
    ].join("\n");
  });
  return [
    `server.bind = "127.0.0.1"`,
    `server.port = ${port}`,
    `server.document-root = "${folder}"`,
    `server.errorlog = "${folder}/lighttpd.log"`,
    `server.upload-dirs = ("${folder}")`,
    `server.modules = ("mod_alias", "mod_setenv", "mod_cgi")`,
    `server.max-keep-alive-requests = 1000000`,
    `server.max-keep-alive-idle = 75`,
    ...(user === null ? [] : [`server.username = "${user}"`, `server.groupname = "${user}"`]),
    `alias.url = (${aliases.join(", ")})`,
    ...paths,
    "",
  ].join("\n");
}
