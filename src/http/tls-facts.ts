// What the TLS handshake of a connection has agreed (RFC 8446), as plain data for routing, logs and applications.

export interface TlsFacts {
  /** "TLSv1.3" or "TLSv1.2". */
  readonly version: string;
  /** Version on the wire: 0x0304 or 0x0303. */
  readonly versionCode: number;
  /** OpenSSL's name of the cipher suite, and its registered number (RFC 8446 §B.4). */
  readonly cipher: string;
  readonly cipherCode: number;
  /** The host that the client named (SNI, RFC 6066 §3), in lower case; "" = none. */
  readonly serverName: string;
  /** The host whose client-certificate policy the handshake was made under; "" = every host's. */
  readonly clientPolicy: string;
  /** The client's certificate, verified; null = none was given. */
  readonly client: ClientCertificate | null;
}

export interface ClientCertificate {
  /** The certificate and those above it that the client sent, as PEM, the client's first. */
  readonly chain: readonly string[];
  /** The subject as a distinguished name (RFC 4514): "CN=anna,O=Example". UTF-8 text. */
  readonly subject: string;
  readonly issuer: string;
  /** Hexadecimal, without separators. */
  readonly serialNumber: string;
  /** Subject alternative names, as OpenSSL writes each: "DNS:a.example", "email:anna@example.com". */
  readonly alternativeNames: readonly string[];
  /** Unix time, ms. */
  readonly notBefore: number;
  readonly notAfter: number;
}
