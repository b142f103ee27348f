"""The scope of a request, made from its record."""

from __future__ import annotations

from typing import Any

import pytest

from messages import handshake, record
from typhon_worker.asgi.scope import ScopeMaker
from typhon_worker.wire import WireFault
from typhon_worker.wire.pages import WEBSOCKET
from typhon_worker.wire.record import MAX_LAYOUTS


def scope_of(
    path: str = "/", flags: int = 0, root: str = "", maker: ScopeMaker | None = None, **request: Any
) -> dict[str, Any]:
    maker = maker or ScopeMaker(root, "3.0", {})
    return maker.make(flags, *record(path=path, **request))


def test_has_what_the_specification_lists() -> None:
    scope = scope_of("/a/b", query="x=1&y=%20", fields=(("host", "a"), ("accept", "*/*")))
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/a/b",
        "raw_path": b"/a/b",
        "query_string": b"x=1&y=%20",
        "root_path": "",
        "headers": [(b"x-request-id", b"r-1"), (b"host", b"a"), (b"accept", b"*/*")],
        "client": ("192.0.2.7", 51234),
        "server": ("198.51.100.1", 8080),
        "state": {},
        "extensions": {"http.response.early_hint": {}},
    }


@pytest.mark.parametrize(
    ("te", "request_line", "offered"),
    [
        ("trailers", {}, {"early_hint", "trailers"}),
        ("gzip;q=0.5 ,\tTrailers", {}, {"early_hint", "trailers"}),
        ("gzip", {}, {"early_hint"}),
        ("trailersque", {}, {"early_hint"}),
        ("," * 31 + "trailers", {}, {"early_hint", "trailers"}),
        ("," * 32 + "trailers", {}, {"early_hint"}),
        ("trailers", {"method": "HEAD"}, {"early_hint"}),
        ("trailers", {"protocol": "HTTP/1.0"}, set()),
        ("trailers", {"protocol": "HTTP/2"}, {"early_hint", "trailers"}),
    ],
)
@pytest.mark.parametrize("pathsend", [False, True])
def test_offers_what_can_work(
    te: str, request_line: dict[str, str], offered: set[str], pathsend: bool
) -> None:
    maker = ScopeMaker("", "3.0", {}, pathsend)
    fields = (("host", "a"), ("te", te), ("accept", "*/*"))
    scope = scope_of(fields=fields, maker=maker, **request_line)
    names = {name.removeprefix("http.response.") for name in scope["extensions"]}
    assert names == offered | ({"pathsend"} if pathsend else set())


def test_offers_trailers_where_one_of_many_fields_asks_for_them() -> None:
    scope = scope_of(fields=(("te", "gzip"), ("host", "a"), ("te", "trailers")))
    assert "http.response.trailers" in scope["extensions"]


def test_offers_no_interim_answers_to_http_1_0() -> None:
    assert scope_of(protocol="HTTP/1.0")["extensions"] == {}


def test_has_what_a_websocket_has() -> None:
    fields = (
        ("host", "a"),
        ("sec-websocket-protocol", "chat, superchat"),
        ("sec-websocket-protocol", "third"),
    )
    scope = scope_of("/ws", WEBSOCKET, scheme="https", fields=fields)
    assert scope["type"] == "websocket"
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.5"}
    assert scope["scheme"] == "wss"
    assert scope["subprotocols"] == ["chat", "superchat", "third"]
    assert scope["extensions"] == {"websocket.http.response": {}}
    assert "method" not in scope
    assert scope_of("/ws", WEBSOCKET)["subprotocols"] == []


def test_has_the_tls_extension_of_an_encrypted_connection() -> None:
    scope = scope_of(scheme="https", protocol="HTTP/2.0", tls=handshake())
    assert (scope["http_version"], scope["scheme"]) == ("2", "https")
    assert scope["extensions"] == {
        "http.response.early_hint": {},
        "tls": {
            "server_cert": None,
            "client_cert_chain": (),
            "client_cert_name": None,
            "client_cert_error": None,
            "tls_version": 0x0304,
            "cipher_suite": 0x1301,
        },
    }
    # The connection with a proxy is not encrypted.
    assert "tls" not in scope_of(scheme="https")["extensions"]


@pytest.mark.parametrize("flags", [0, WEBSOCKET])
def test_names_the_client_certificate(flags: int) -> None:
    tls = handshake(chain=["PEM 1", "PEM 2"], subject="CN=Zoë,O=Example")
    for more in ({}, {"fields": (("te", "trailers"),)}):
        extension = scope_of(flags=flags, scheme="https", tls=tls, **more)["extensions"]["tls"]
        assert list(extension["client_cert_chain"]) == ["PEM 1", "PEM 2"]
        assert extension["client_cert_name"] == "CN=Zoë,O=Example"


def test_two_requests_of_a_connection_share_no_extension() -> None:
    maker = ScopeMaker("", "3.0", {})
    first, second, plain = (scope_of(maker=maker, tls=tls) for tls in (handshake(),) * 2 + ("",))
    assert first["extensions"] == second["extensions"]
    assert first["extensions"]["tls"] is not second["extensions"]["tls"]
    assert "tls" not in plain["extensions"]


def test_a_websocket_of_http_2_has_no_method_and_the_scheme_wss() -> None:
    scope = scope_of("/ws", WEBSOCKET, method="CONNECT", protocol="HTTP/2.0", scheme="wss")
    assert (scope["type"], scope["http_version"], scope["scheme"]) == ("websocket", "2", "wss")
    assert "method" not in scope


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("/a%20b", "/a b"),
        ("/%C3%A9", "/é"),
        ("/%E2%82%AC/%F0%9F%90%8D", "/€/🐍"),
        # What is no UTF-8 is replaced: there are no surrogates that nobody could encode again.
        ("/%FF", "/�"),
        ("/%ED%A0%80", "/���"),
        ("/%zz%4", "/%zz%4"),
        ("/a%2Fb", "/a/b"),
        ("/é", "/�"),
        ("*", "*"),
    ],
)
def test_decodes_the_path_and_keeps_it_as_it_was_sent(raw: str, path: str) -> None:
    scope = scope_of(raw)
    assert scope["path"] == path
    assert scope["raw_path"] == raw.encode("latin-1")


@pytest.mark.parametrize(
    ("asked", "path", "raw_path"),
    [
        ("/api/x", "/api/x", b"/api/x"),
        ("/api", "/api", b"/api"),
        # A proxy has taken the prefix off.
        ("/x", "/api/x", b"/api/x"),
        ("/apix", "/api/apix", b"/api/apix"),
        ("/a%20b", "/api/a b", b"/api/a%20b"),
    ],
)
def test_the_path_includes_the_root_path(asked: str, path: str, raw_path: bytes) -> None:
    scope = scope_of(asked, root="/api")
    assert (scope["root_path"], scope["path"]) == ("/api", path)
    assert scope["raw_path"] == raw_path


def test_the_root_path_is_encoded_in_the_raw_path() -> None:
    assert scope_of("/x", root="/é")["raw_path"] == b"/%C3%A9/x"


@pytest.mark.parametrize(
    ("protocol", "version"),
    [("HTTP/1.0", "1.0"), ("HTTP/1.1", "1.1"), ("HTTP/2", "2"), ("HTTP/2.0", "2"), ("HTTP/3", "3")],
)
def test_tells_the_version_of_http(protocol: str, version: str) -> None:
    assert scope_of(protocol=protocol)["http_version"] == version


def test_has_no_addresses_on_a_unix_socket() -> None:
    scope = scope_of(remote="", remote_port="0", server="", server_port="0")
    assert (scope["client"], scope["server"]) == (None, None)


def test_keeps_methods_and_fields_that_nobody_knows() -> None:
    scope = scope_of(method="BREW", fields=(("x-a", "1"), ("x-a", "é"), ("x_a", "")))
    assert scope["method"] == "BREW"
    assert scope["headers"][1:] == [(b"x-a", b"1"), (b"x-a", b"\xe9"), (b"x_a", b"")]
    assert scope_of(fields=())["headers"] == [(b"x-request-id", b"r-1")]


def test_two_requests_share_nothing_that_they_may_change() -> None:
    maker = ScopeMaker("", "3.0", {"pool": 1})
    one, two = scope_of(maker=maker), scope_of(maker=maker)
    for key in ("asgi", "headers", "state", "extensions"):
        assert one[key] == two[key]
        assert one[key] is not two[key]
    one["state"]["mine"] = 1
    assert two["state"] == {"pool": 1}


def test_shows_each_request_what_the_lifespan_has_put_into_the_state() -> None:
    state: dict[str, Any] = {}
    maker = ScopeMaker("", "3.0", state)
    state["pool"] = [1]
    assert scope_of(maker=maker)["state"]["pool"] is state["pool"]


@pytest.mark.parametrize("names", [b"host", b"host\0a\0b"])
def test_refuses_a_record_with_another_number_of_values(names: bytes) -> None:
    _, values = record(fields=(("a", "1"), ("b", "2")))
    with pytest.raises(WireFault, match=r"a record of 16 values where 1[57] belong"):
        ScopeMaker("", "3.0", {}).make(0, names, values)


def test_remembers_a_bounded_number_of_blocks_of_names() -> None:
    maker = ScopeMaker("", "3.0", {})
    for number in range(3 * MAX_LAYOUTS):
        assert scope_of(maker=maker, fields=((f"x-{number}", "1"),))["headers"][1] == (
            f"x-{number}".encode(),
            b"1",
        )
        scope_of(maker=maker, server=f"host-{number}")
    assert len(maker.layouts) <= MAX_LAYOUTS
    assert len(maker.servers) <= MAX_LAYOUTS
