// A video made by hand: WebM (Matroska, RFC 9559) with one VP8 key frame a second, an index of all frames at
// its beginning, and bytes without meaning behind each frame, so that a player has to ask for ranges.

/** IDs of elements, as they stand in the file. */
const ID = {
  ebml: "1a45dfa3",
  segment: "18538067",
  info: "1549a966",
  tracks: "1654ae6b",
  cues: "1c53bb6b",
  cluster: "1f43b675",
  void: "ec",
} as const;
const CODEC = "V_VP8";
const FRAME_MS = 1000;

/** An element (RFC 8794): its ID, eight bytes of length, its content. */
function element(id: string, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const length = Buffer.alloc(8);
  length.writeBigUInt64BE(2n ** 56n + BigInt(content.length));
  return Buffer.concat([Buffer.from(id, "hex"), length, content]);
}

function number(id: string, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return element(id, bytes);
}

function text(id: string, value: string): Buffer {
  return element(id, Buffer.from(value));
}

function float(id: string, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return element(id, bytes);
}

/** A video of these VP8 key frames, each followed by `paddingBytes`. `side`: width and height, pixels. */
export function makeWebm(frames: readonly Buffer[], side: number, paddingBytes: number): Buffer {
  const clusters = frames.map((frame, index) => clusterOf(frame, index, paddingBytes));
  const intro = Buffer.concat([
    element(
      ID.info,
      number("2ad7b1", 1_000_000),
      float("4489", frames.length * FRAME_MS),
      text("4d80", "test"),
      text("5741", "test"),
    ),
    element(
      ID.tracks,
      element(
        "ae",
        number("d7", 1),
        number("73c5", 1),
        number("83", 1),
        text("86", CODEC),
        element("e0", number("b0", side), number("ba", side)),
      ),
    ),
  ]);
  // The index has the same length whatever its numbers are.
  const begin = intro.length + cuesOf(clusters, 0).length;
  const header = element(
    ID.ebml,
    number("4286", 1),
    number("42f7", 1),
    number("42f2", 4),
    number("42f3", 8),
    text("4282", "webm"),
    number("4287", 2),
    number("4285", 2),
  );
  return Buffer.concat([header, element(ID.segment, intro, cuesOf(clusters, begin), ...clusters)]);
}

function clusterOf(frame: Buffer, index: number, paddingBytes: number): Buffer {
  // Track 1, no offset from the cluster's time, a key frame.
  const block = element("a3", Buffer.from([0x81, 0, 0, 0x80]), frame);
  const cluster = element(ID.cluster, number("e7", index * FRAME_MS), block);
  return Buffer.concat([cluster, element(ID.void, Buffer.alloc(paddingBytes))]);
}

/** Where each cluster lies, from the first byte within the segment. */
function cuesOf(clusters: readonly Buffer[], begin: number): Buffer {
  let position = begin;
  const points = clusters.map((cluster, index) => {
    const place = element("b7", number("f7", 1), number("f1", position));
    position += cluster.length;
    return element("bb", number("b3", index * FRAME_MS), place);
  });
  return element(ID.cues, ...points);
}
