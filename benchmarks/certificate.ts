// The certificate of the pages over TLS: P-256, made by openssl when it is first asked for, removed at the end.

import { makeCertificate, type Certificate } from "../test/support/openssl-certificate.ts";

let made: Certificate | null = null;

/** The same in a whole run. */
export function certificate(): Certificate {
  made ??= makeCertificate({ after: (undo) => void process.on("exit", () => void undo()) });
  return made;
}
