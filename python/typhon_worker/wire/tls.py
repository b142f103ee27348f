"""What the TLS handshake of a client's connection has agreed, as a record has it: JSON in ASCII.

    {"version": "TLSv1.3", "version_code": 772, "cipher": "TLS_AES_128_GCM_SHA256",
     "cipher_code": 4865, "server_name": "example.com", "client": null}

A verified client certificate is an object in `client`: `chain` (PEM texts, the client's certificate
first), `subject` and `issuer` (RFC 4514), `serial_number` (hexadecimal), `alternative_names`
("DNS:a.example"), `not_before` and `not_after` (Unix time in milliseconds).
"""

from __future__ import annotations

import json
from collections.abc import Callable

from . import WireFault, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Handshakes that are remembered, and bytes of one of them: 2 MiB of texts, and as much that is
# derived from them. A certificate has 1 to 2 kB, with the authorities above it 4 to 8.
MAX_HANDSHAKES = 128
MAX_HANDSHAKE_BYTES = 16_384


def remembered(derive: Callable[[dict[str, Any]], Any]) -> record.Layouts:
    """What an interface derives from a handshake, by the value of the record.

    Looking up a value that is no handshake raises WireFault.
    """

    def derive_from(text: bytes | str) -> Any:
        try:
            return derive(json.loads(text))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise WireFault(f"a record whose TLS is no handshake: {error!r}") from None

    return record.Layouts(derive_from, most=MAX_HANDSHAKES, size=MAX_HANDSHAKE_BYTES)
