// The record of a request, as a worker reads it (docs/worker-protocol.md, "The record"). Pure. All
// strings are latin-1 and hold no NUL: heads were validated, and an encoded NUL stays encoded.

import type { Exchange } from "../../http/exchange.ts";
import { protocolOf, type RequestHead } from "../../http/message.ts";
import type { TlsFacts } from "../../http/tls-facts.ts";

/** The TLS values, made once a connection. */
const tlsValues = new WeakMap<TlsFacts, string>();

/** The names block: field names, joined by NUL. */
export function recordNames(head: RequestHead): string {
  return head.names.join("\0");
}

/**
 * The values block. `bodyLength`: decimal where the length of a received body was not declared, else "".
 * `bodyFile`: path of the file that holds the body, without NUL, else "".
 */
export function recordValues(exchange: Exchange, bodyLength: string, bodyFile: string): string {
  const head = exchange.effectiveHead;
  const fields = head.values.length === 0 ? "" : `${head.values.join("\0")}\0`;
  const tls = exchange.tls === null ? "" : tlsValue(exchange.tls);
  return (
    `${head.method}\0${head.target}\0${head.path}\0${head.query}\0${protocolOf(head)}\0` +
    `${exchange.scheme}\0${exchange.remoteAddress}\0${exchange.remotePort}\0` +
    `${exchange.localAddress}\0${exchange.localPort}\0${exchange.requestId}\0` +
    `${fields}${tls}\0${bodyLength}\0${bodyFile === "" ? "" : latin1(bodyFile)}`
  );
}

/** What a handshake has agreed, as JSON in ASCII (python/typhon_worker/wire/tls.py). */
function tlsValue(facts: TlsFacts): string {
  const known = tlsValues.get(facts);
  if (known !== undefined) return known;
  const { version, versionCode, cipher, cipherCode, serverName, client } = facts;
  const handshake = {
    version,
    version_code: versionCode,
    cipher,
    cipher_code: cipherCode,
    server_name: serverName,
    client: client && {
      chain: client.chain,
      subject: client.subject,
      issuer: client.issuer,
      serial_number: client.serialNumber,
      alternative_names: client.alternativeNames,
      not_before: client.notBefore,
      not_after: client.notAfter,
    },
  };
  const value = JSON.stringify(handshake).replaceAll(/[^ -~]/g, escaped);
  tlsValues.set(facts, value);
  return value;
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** The UTF-8 bytes of a path, each a character, as everything in a record. */
function latin1(path: string): string {
  return Buffer.from(path).toString("latin1");
}
