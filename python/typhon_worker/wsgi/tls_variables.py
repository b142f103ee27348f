"""The variables of a TLS connection in an environ, with the names and forms of Apache's mod_ssl."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Not by strftime, whose names follow the application's locale.
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_NAMES_OF = {"DNS": "SSL_CLIENT_SAN_DNS_", "email": "SSL_CLIENT_SAN_Email_"}


def tls_variables(handshake: dict[str, Any]) -> dict[str, str]:
    """The variables of a handshake (wire/tls.py). Texts are bytes as latin-1 (PEP 3333)."""
    variables = {
        "SSL_PROTOCOL": handshake["version"],
        "SSL_CIPHER": handshake["cipher"],
        "SSL_CLIENT_VERIFY": "NONE",
    }
    if handshake["server_name"]:
        variables["SSL_TLS_SNI"] = handshake["server_name"]
    client = handshake["client"]
    if client is not None:
        variables.update(_client_variables(client))
    return {name: value.encode().decode("latin-1") for name, value in variables.items()}


def _client_variables(client: dict[str, Any]) -> dict[str, str]:
    first, *above = client["chain"]
    variables = {
        "SSL_CLIENT_VERIFY": "SUCCESS",
        "SSL_CLIENT_CERT": first,
        "SSL_CLIENT_S_DN": client["subject"],
        "SSL_CLIENT_I_DN": client["issuer"],
        "SSL_CLIENT_M_SERIAL": client["serial_number"],
        "SSL_CLIENT_V_START": _asn1_time(client["not_before"]),
        "SSL_CLIENT_V_END": _asn1_time(client["not_after"]),
    }
    for at, certificate in enumerate(above):
        variables[f"SSL_CLIENT_CERT_CHAIN_{at}"] = certificate
    for kind, prefix in _NAMES_OF.items():
        start = kind + ":"
        names = [name for name in client["alternative_names"] if name.startswith(start)]
        for at, name in enumerate(names):
            variables[prefix + str(at)] = name[len(start) :]
    return variables


# As OpenSSL prints a time: "Nov  9 06:54:00 2026 GMT".
def _asn1_time(milliseconds: float) -> str:
    at = time.gmtime(milliseconds // 1000)
    clock = f"{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02}"
    return f"{_MONTHS[at.tm_mon - 1]} {at.tm_mday:2} {clock} {at.tm_year} GMT"
