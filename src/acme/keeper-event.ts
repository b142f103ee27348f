// What happens to certificates, for the log. A reason is one line of printable text.

export type KeeperEvent =
  /** The state folder had a certificate at the start. */
  | { readonly kind: "loaded"; readonly names: Names; readonly notAfter: number }
  /** Another process that shares the folder has ordered a certificate. */
  | { readonly kind: "adopted"; readonly names: Names; readonly notAfter: number }
  | Issued<"ordered">
  | Issued<"renewed">
  | {
      readonly kind: "failed";
      readonly names: Names;
      readonly issuer: string;
      readonly reason: string;
      readonly retryAt: number;
      /** The end of the certificate in use; null: there is none. */
      readonly notAfter: number | null;
    }
  /** There is no valid certificate, and the pause after a failure before this start is not over. */
  | {
      readonly kind: "waiting";
      readonly names: Names;
      readonly reason: string;
      readonly retryAt: number;
    }
  /** Another process orders this certificate. */
  | { readonly kind: "locked"; readonly names: Names; readonly holder: string }
  /** The authority has moved the renewal (RFC 9773). */
  | {
      readonly kind: "moved";
      readonly names: Names;
      readonly renewAt: number;
      /** "": the authority gives no reason. */
      readonly explanationUrl: string;
    }
  /** A file of the state folder cannot be used; what it had is made anew. */
  | { readonly kind: "damaged"; readonly path: string; readonly reason: string }
  /** A certificate or its record is in memory only; writing it is tried again every minute. */
  | { readonly kind: "unsaved"; readonly path: string; readonly reason: string }
  /** The server could not use a certificate that passed all checks. */
  | { readonly kind: "unused"; readonly names: Names; readonly reason: string }
  /** A DNS record or a file of a challenge was left behind. */
  | { readonly kind: "left"; readonly names: Names; readonly reason: string };

interface Issued<Kind> {
  readonly kind: Kind;
  readonly names: Names;
  /** The authority's directory. */
  readonly issuer: string;
  readonly notAfter: number;
  readonly renewAt: number;
}

export type Names = readonly string[];
