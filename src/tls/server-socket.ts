// The server's end of a TLS connection, made of an accepted socket whose first bytes have been read.
//
// Node's way, `new TLSSocket(socket)`, keeps the socket below and allocates 64 KiB for what the client sends. Here the
// TLS socket takes over the handle of the socket below, reads into the buffer that all sockets share
// (front/shared-reads.ts), and gets the first bytes in small pieces, after which Node's buffer is 1 KiB: 31 kB of
// memory instead of 49 a connection, and 8 % less CPU a request (docs/decisions/0010-tls.md). Handles are internal
// to Node. If they do not look as expected here, Node's way is used.

import type { Socket } from "node:net";
import { TLSSocket, type SecureContext, type TLSSocketOptions } from "node:tls";

import { READ_BYTES } from "../net/wide-reader.ts";
import { SMALL_WRITE_BYTES, WriteBurst } from "./write-burst.ts";

/** Unsent bytes at which write() returns false, as for the sockets of the listeners. */
const HIGH_WATER_MARK_BYTES = 65_536;
/** The first buffer of Node's TLS has 1,024 bytes as long as no piece fills it. */
const PIECE_BYTES = 1000;
/** Decrypted bytes of one read; shared by all connections, like the buffer of front/shared-reads.ts. */
const BUFFER = Buffer.allocUnsafeSlow(READ_BYTES);

/** What all handshakes under one context have in common, in Node's words; one object for all of them. */
export interface HandshakeSettings {
  readonly isServer: true;
  readonly secureContext: SecureContext;
  readonly ALPNProtocols: Buffer;
  readonly requestCert: boolean;
  readonly rejectUnauthorized: boolean;
}

/** `protocols`: what ALPN may agree on, the preferred one first. */
export function handshakeSettings(
  secureContext: SecureContext,
  protocols: readonly string[],
  clientCertificate: "none" | "optional" | "required",
): HandshakeSettings {
  return {
    isServer: true,
    secureContext,
    ALPNProtocols: Buffer.concat(
      protocols.map((one) => Buffer.from(`${String.fromCodePoint(one.length)}${one}`, "latin1")),
    ),
    requestCert: clientCertificate !== "none",
    rejectUnauthorized: clientCertificate === "required",
  };
}

/**
 * Begins a handshake. The bytes of the new socket's "data" event are valid only during the event. `first`: the bytes
 * that have been read of `socket`, which is paused, and is not to be used any more. The event "secure" follows, or
 * "close".
 */
export function startTls(socket: Socket, first: Buffer, settings: HandshakeSettings): TLSSocket {
  const handle = takeHandle(socket);
  if (handle !== null) return openOn(handle, settings, first);
  socket.unshift(first);
  return new WrappingTlsSocket(socket, settings);
}

/**
 * After the handshake: errors of the connection end it from now on, as Node's own server has it. The caller
 * listens to "error".
 */
export function releaseControl(socket: TLSSocket): void {
  if (hasMethods(socket, ["_releaseControl"])) socket._releaseControl();
  else socket.on("_tlsError", () => socket.destroy());
}

/** What is wrong with the client's certificate, if it has given one, such as "CERT_HAS_EXPIRED"; null: nothing. */
export function verificationFault(socket: TLSSocket): string | null {
  const handle: unknown = Reflect.get(socket, "_handle");
  if (!hasMethods(handle, ["verifyError"])) return "not verified";
  const error = handle.verifyError();
  if (error === null || error === undefined) return null;
  return error instanceof Error && "code" in error ? String(error.code) : "not verified";
}

/** A TLS socket whose connection can end with a reset, which TLSSocket refuses. */
class WrappingTlsSocket extends TLSSocket {
  readonly #below: Socket;

  constructor(below: Socket, settings: HandshakeSettings) {
    // Node reads options that its types do not name.
    const options = { ...settings, highWaterMark: HIGH_WATER_MARK_BYTES };
    super(below, options);
    this.#below = below;
  }

  override resetAndDestroy(): this {
    if (this.#below.remotePort === undefined) this.#below.destroy();
    else this.#below.resetAndDestroy();
    return this.destroy();
  }
}

type Methods<N extends string> = Record<N, (...values: unknown[]) => unknown>;
interface ConnectionHandle extends Methods<"readStop" | "close"> {
  reading: boolean;
}

const ON_READ = { buffer: BUFFER, callback: onRead };
const WRAP_HANDLE: unknown = Reflect.get(TLSSocket.prototype, "_wrapHandle");

/** A TLS socket directly on the handle of a connection; made by `openOn`. */
class HandleTlsSocket extends TLSSocket {
  /** Node calls this method for the handle of TLS on a handle that it has made; here there is one already. */
  protected _wrapHandle(): unknown {
    const options: unknown = Reflect.get(this, "_tlsOptions");
    if (!isGiven(options) || typeof WRAP_HANDLE !== "function")
      throw new TypeError("TLSSocket of this Node is not as expected");
    // All connections of a context share their options; Node keeps a copy for each.
    Reflect.set(this, "_tlsOptions", options.settings);
    return Reflect.apply(WRAP_HANDLE, this, [null, options.below, false]);
  }

  override _write(chunk: unknown, encoding: BufferEncoding, done: Written): void {
    const isSplit =
      Buffer.isBuffer(chunk) && chunk.length > SMALL_WRITE_BYTES && isShort(this, chunk.length);
    if (isSplit) this.writePieces(chunk, encoding, done);
    else super._write(chunk, encoding, done);
  }

  override _writev(chunks: Chunk[], done: Written): void {
    const length = chunks.reduce((sum, { chunk }) => sum + chunk.length, 0);
    if (length > SMALL_WRITE_BYTES && isShort(this, length)) this.writeEach(chunks, done);
    else super._writev?.(chunks, done);
  }

  protected writeEach(chunks: readonly Chunk[], done: Written): void {
    let at = 0;
    const next: Written = (error) => {
      const one = chunks[at];
      at += 1;
      if (isError(error) || one === undefined) done(error);
      else if (Buffer.isBuffer(one.chunk)) this.writePieces(one.chunk, one.encoding, next);
      else super._write(one.chunk, one.encoding, next);
    };
    next();
  }

  protected writePieces(bytes: Buffer, encoding: BufferEncoding, done: Written): void {
    let at = 0;
    const next: Written = (error) => {
      const piece = bytes.subarray(at, at + SMALL_WRITE_BYTES);
      at += piece.length;
      if (isError(error) || piece.length === 0) done(error);
      else super._write(piece, encoding, next);
    };
    next();
  }

  override resetAndDestroy(): this {
    const handle: unknown = Reflect.get(this, "_handle");
    const below: unknown = handle instanceof Object ? Reflect.get(handle, "_parent") : null;
    // The handle of a Unix socket has no reset. Node closes the handle below together with that of TLS.
    if (hasMethods(below, ["close", "reset"])) {
      const { close } = below;
      below.close = (...values) => {
        const error = below.reset(...values);
        // A connection whose end is being sent cannot be reset.
        return error === 0 ? error : Reflect.apply(close, below, values);
      };
    }
    return this.destroy();
  }
}

type Written = (error?: Error | null) => void;

interface Chunk {
  readonly chunk: Buffer | string;
  readonly encoding: BufferEncoding;
}

function isError(error: Error | null | undefined): boolean {
  return error !== null && error !== undefined;
}

/** Of the sockets that have sent more than a small piece at a time. */
const BURSTS = new WeakMap<Socket, WriteBurst>();

function isShort(socket: Socket, bytes: number): boolean {
  let burst = BURSTS.get(socket);
  if (burst === undefined) {
    burst = new WriteBurst();
    BURSTS.set(socket, burst);
  }
  return burst.isShort(bytes, performance.now());
}

/** What a HandleTlsSocket is made of; Node passes it on to `_wrapHandle`. */
interface Given {
  readonly below: ConnectionHandle;
  readonly settings: HandshakeSettings;
}

function isGiven(options: unknown): options is Given {
  return options instanceof Object && "below" in options && "settings" in options;
}

function openOn(below: ConnectionHandle, settings: HandshakeSettings, first: Buffer): TLSSocket {
  const options: Given & TLSSocketOptions & Record<string, unknown> = {
    onread: ON_READ,
    highWaterMark: HIGH_WATER_MARK_BYTES,
    allowHalfOpen: true,
    below,
    settings,
  };
  // Without a socket below, which Node's types require, TLSSocket has a handle made and reads into a buffer of ours.
  const socket: unknown = Reflect.construct(TLSSocket, [undefined, options], HandleTlsSocket);
  if (!(socket instanceof HandleTlsSocket)) throw new TypeError("TLSSocket is no class any more");
  Reflect.set(socket, "connecting", false);
  setOwner(below, socket);
  // When the caller listens.
  process.nextTick(receive, socket, first);
  return socket;
}

function receive(socket: TLSSocket, first: Buffer): void {
  const handle: unknown = Reflect.get(socket, "_handle");
  if (!hasMethods(handle, ["receive"])) return;
  for (let at = 0; at < first.length && !socket.destroyed; at += PIECE_BYTES)
    handle.receive(first.subarray(at, at + PIECE_BYTES));
}

/** Takes the handle away from a socket, which then is destroyed without it; null if it is not as expected. */
function takeHandle(socket: Socket): ConnectionHandle | null {
  const handle: unknown = Reflect.get(socket, "_handle");
  const isExpected =
    typeof WRAP_HANDLE === "function" &&
    isConnectionHandle(handle) &&
    ownerSymbol(handle) !== undefined &&
    socket.writableLength === 0;
  if (!isExpected) return null;
  handle.readStop();
  handle.reading = false;
  Reflect.set(socket, "_handle", null);
  socket.destroy();
  return handle;
}

function isConnectionHandle(handle: unknown): handle is ConnectionHandle {
  const isExpected = hasMethods(handle, ["readStop", "readStart", "close", "useUserBuffer"]);
  return isExpected && "reading" in handle && Reflect.get(handle, "isStreamBase") === true;
}

/** Under this key a handle knows its socket. */
function ownerSymbol(handle: object): symbol | undefined {
  return Object.getOwnPropertySymbols(handle).find((one) => one.description === "owner_symbol");
}

// Else the handle would keep the socket that it was taken from.
function setOwner(handle: object, socket: Socket): void {
  const key = ownerSymbol(handle);
  if (key !== undefined) Reflect.set(handle, key, socket);
}

function hasMethods<N extends string>(value: unknown, names: readonly N[]): value is Methods<N> {
  if (typeof value !== "object" || value === null) return false;
  return names.every((name) => typeof Reflect.get(value, name) === "function");
}

// Node calls this function with the socket as `this`.
function onRead(this: HandleTlsSocket, length: number): boolean {
  this.emit("data", BUFFER.subarray(0, length));
  return true;
}
