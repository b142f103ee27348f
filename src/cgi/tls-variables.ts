// The variables of a TLS connection, with the names and forms of Apache's mod_ssl, as the environ of a WSGI
// application has them (python/typhon_worker/wsgi/tls_variables.py). Pure.

import type { ClientCertificate, TlsFacts } from "../http/tls-facts.ts";

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
const PREFIX_OF = [
  ["DNS:", "SSL_CLIENT_SAN_DNS_"],
  ["email:", "SSL_CLIENT_SAN_Email_"],
] as const;

type Variables = Record<string, string>;

/** What a handshake has agreed. Values are UTF-8, one character a byte. */
export function tlsVariables({ version, cipher, serverName, client }: TlsFacts): Variables {
  const variables: Variables = {
    SSL_PROTOCOL: version,
    SSL_CIPHER: cipher,
    SSL_CLIENT_VERIFY: client === null ? "NONE" : "SUCCESS",
  };
  if (serverName !== "") variables["SSL_TLS_SNI"] = serverName;
  if (client !== null) addClient(variables, client);
  for (const [name, value] of Object.entries(variables))
    variables[name] = Buffer.from(value).toString("latin1");
  return variables;
}

function addClient(variables: Variables, client: ClientCertificate): void {
  const [first = "", ...above] = client.chain;
  variables["SSL_CLIENT_CERT"] = first;
  variables["SSL_CLIENT_S_DN"] = client.subject;
  variables["SSL_CLIENT_I_DN"] = client.issuer;
  variables["SSL_CLIENT_M_SERIAL"] = client.serialNumber;
  variables["SSL_CLIENT_V_START"] = certificateTime(client.notBefore);
  variables["SSL_CLIENT_V_END"] = certificateTime(client.notAfter);
  for (const [at, certificate] of above.entries())
    variables[`SSL_CLIENT_CERT_CHAIN_${at}`] = certificate;
  for (const [start, prefix] of PREFIX_OF) {
    const names = client.alternativeNames.filter((name) => name.startsWith(start));
    for (const [at, name] of names.entries()) variables[prefix + at] = name.slice(start.length);
  }
}

/** As OpenSSL prints a time: "Nov  9 06:54:00 2026 GMT". */
function certificateTime(ms: number): string {
  const at = new Date(ms);
  const day = String(at.getUTCDate()).padStart(2);
  const [, clock = ""] = /T([\d:]+)/.exec(at.toISOString()) ?? [];
  return `${MONTHS[at.getUTCMonth()]} ${day} ${clock} ${at.getUTCFullYear()} GMT`;
}
