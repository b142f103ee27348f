// What a TLS handshake has agreed, for tests that have no handshake.

import type { ClientCertificate, TlsFacts } from "../../src/http/tls-facts.ts";

/** TLS 1.3 with one host, without a client certificate. */
export function tlsFacts(changes: Partial<TlsFacts> = {}): TlsFacts {
  return {
    version: "TLSv1.3",
    versionCode: 0x0304,
    cipher: "TLS_AES_128_GCM_SHA256",
    cipherCode: 0x1301,
    serverName: "a.example",
    clientPolicy: "",
    client: null,
    ...changes,
  };
}

export const CLIENT: ClientCertificate = {
  chain: ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"],
  subject: "CN=Zoë,O=Example",
  issuer: "CN=Staff,O=Example",
  serialNumber: "0A3F",
  alternativeNames: ["DNS:zoe.example", "email:zoe@a.example"],
  notBefore: Date.UTC(2026, 0, 1),
  notAfter: Date.UTC(2027, 0, 1),
};
