// How HTTP/2 says that something is wrong (RFC 9113 §7): with a code, for one stream or for the whole connection.

/** Codes of RST_STREAM and GOAWAY. */
export const ErrorCode = {
  NO_ERROR: 0x0,
  PROTOCOL_ERROR: 0x1,
  INTERNAL_ERROR: 0x2,
  FLOW_CONTROL_ERROR: 0x3,
  STREAM_CLOSED: 0x5,
  FRAME_SIZE_ERROR: 0x6,
  REFUSED_STREAM: 0x7,
  CANCEL: 0x8,
  COMPRESSION_ERROR: 0x9,
  ENHANCE_YOUR_CALM: 0xb,
} as const;

export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];

/** The peer breaks the protocol, or a limit, so that the connection ends with GOAWAY (RFC 9113 §5.4.1). */
export class ConnectionFault extends Error {
  readonly code: ErrorCode;

  /** `reason`: our own words, which the peer gets as debug data. */
  constructor(code: ErrorCode, reason: string) {
    super(reason);
    this.code = code;
  }
}
