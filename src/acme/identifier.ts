// What a certificate is for: the identifiers of an order (RFC 8555 §9.7.7, RFC 8738).

/** A name, also one that begins with "*.", or an address. */
export interface Identifier {
  readonly type: "dns" | "ip";
  readonly value: string;
}
