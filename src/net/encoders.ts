// The content codings that zlib has, and their levels: fast for bodies that are coded while a client waits, best for
// bodies that are kept. Sizes of windows bound the memory of each encoder.

import * as zlib from "node:zlib";

const {
  BROTLI_OPERATION_FLUSH,
  BROTLI_PARAM_LGWIN,
  BROTLI_PARAM_QUALITY,
  BROTLI_PARAM_SIZE_HINT,
  Z_SYNC_FLUSH,
  ZSTD_c_compressionLevel,
  ZSTD_c_windowLog,
  ZSTD_e_flush,
} = zlib.constants;

export type Coding = "zstd" | "br" | "gzip";
export type Encoder = zlib.BrotliCompress | zlib.Gzip | zlib.ZstdCompress;

/**
 * Whole short bodies. CPU time of 10 kB of JSON here: zstd 28 µs, br 35 µs, gzip 27 µs. The next levels take half as
 * much again and save 3 %.
 */
const NOW = {
  zstd: { params: { [ZSTD_c_compressionLevel]: 3, [ZSTD_c_windowLog]: 17 } },
  br: { params: { [BROTLI_PARAM_QUALITY]: 2, [BROTLI_PARAM_LGWIN]: 18 } },
  gzip: { level: 3 },
} as const;

/** Streams: 460 KiB of memory with zstd (1,190 KiB at level 3), 140 KiB with br, 390 KiB with gzip, measured. */
const STREAM = {
  zstd: {
    flush: ZSTD_e_flush,
    params: { [ZSTD_c_compressionLevel]: 1, [ZSTD_c_windowLog]: 17 },
  },
  br: { flush: BROTLI_OPERATION_FLUSH, params: NOW.br.params },
  gzip: { flush: Z_SYNC_FLUSH, level: 3 },
} as const;

/** Window for kept bodies: as long as the longest of them. */
const BEST_WINDOW_BITS = 20;

/** Codes a whole short body in this thread. */
export function encodeNow(coding: Coding, bytes: Buffer): Buffer {
  if (coding === "zstd") return zlib.zstdCompressSync(bytes, NOW.zstd);
  if (coding === "br") return zlib.brotliCompressSync(bytes, NOW.br);
  return zlib.gzipSync(bytes, NOW.gzip);
}

/** Makes an encoder whose output after each write has all bytes that were written. */
export function streamEncoder(coding: Coding): Encoder {
  if (coding === "zstd") return zlib.createZstdCompress(STREAM.zstd);
  if (coding === "br") return zlib.createBrotliCompress(STREAM.br);
  return zlib.createGzip(STREAM.gzip);
}

/** Makes an encoder of the best level for a body of `bytes` bytes. */
export function bestEncoder(coding: Coding, bytes: number): Encoder {
  if (coding === "gzip") return zlib.createGzip({ level: 9 });
  if (coding === "br")
    return zlib.createBrotliCompress({
      params: {
        [BROTLI_PARAM_QUALITY]: 11,
        [BROTLI_PARAM_LGWIN]: BEST_WINDOW_BITS,
        [BROTLI_PARAM_SIZE_HINT]: bytes,
      },
    });
  return zlib.createZstdCompress({
    params: { [ZSTD_c_compressionLevel]: 19, [ZSTD_c_windowLog]: BEST_WINDOW_BITS },
  });
}
