// Tells when certificates that are in use come near their end: once when they expire soon, once when they have
// expired. Each certificate is told about again when the process starts anew. Pure but for its memory.

import { validity, type Certificate } from "./certificate.ts";

/** Between two checks, ms. */
export const CHECK_EVERY_MS = 3_600_000;

export class ExpiryWatch {
  readonly #told = new WeakMap<Certificate, string>();
  readonly #onWarning: (message: string) => void;

  constructor(onWarning: (message: string) => void) {
    this.#onWarning = onWarning;
  }

  /** `now`: milliseconds since 1970. */
  check(certificates: readonly Certificate[], now: number): void {
    for (const certificate of certificates) {
      const found = validity(certificate, now);
      if (found === "valid" || this.#told.get(certificate) === found) continue;
      this.#told.set(certificate, found);
      const name = certificate.names[0] ?? "without a name";
      const end = new Date(certificate.notAfter).toISOString().slice(0, 10);
      const words = {
        "expires soon": `expires on ${end}`,
        expired: `has expired on ${end}: browsers refuse it`,
        "not valid yet": "is not valid yet: compare the clock of this machine",
      };
      this.#onWarning(`the certificate for ${name} ${words[found]}`);
    }
  }
}
