// Certificate signing requests (PKCS #10, RFC 2986), as an order of ACME sends them (RFC 8555 §7.4).

import { createPublicKey, type KeyObject } from "node:crypto";

import { distinguishedName, extension, SUBJECT_ALT_NAME } from "./certificate.ts";
import { element, oid, sequence, setOf, unsigned } from "./der.ts";
import { generalNames } from "./general-names.ts";
import { publicKeyDer, signed } from "./signing.ts";

const EXTENSION_REQUEST = "1.2.840.113549.1.9.14";

/** Makes a request for names in ASCII and addresses, signed by the new certificate's private key → DER. */
export function makeCsr(names: readonly string[], key: KeyObject): Buffer {
  const extensions = sequence(extension(SUBJECT_ALT_NAME, false, generalNames(names)));
  const content = sequence(
    unsigned(Buffer.from([0])),
    distinguishedName(""),
    publicKeyDer(createPublicKey(key)),
    element(0xa0, sequence(oid(EXTENSION_REQUEST), setOf(extensions))),
  );
  return signed(content, key);
}
