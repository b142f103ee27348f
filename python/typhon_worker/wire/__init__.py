"""The protocol with the front as bytes: pages, frames, records, settings (docs/worker-protocol.md).

Pure encoding and decoding: no module here touches a descriptor. The TypeScript side is
src/workers/page.ts and frame.ts; the tests of both sides read test/vectors/. Bytes that break the
protocol raise WireFault and are never repaired.
"""


class WireFault(Exception):
    """The front broke the protocol; the text says how. The worker has to end."""
