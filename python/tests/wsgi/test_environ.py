"""The environ that a record becomes."""

from __future__ import annotations

import io
import os
import random
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from messages import handshake, record
from typhon_worker.wire import WireFault, pages
from typhon_worker.wire.record import MAX_LAYOUTS
from typhon_worker.wire.settings import Settings
from typhon_worker.wsgi.environ import EnvironMaker, decode_path
from typhon_worker.wsgi.exchange import FileWrapper, WsgiExchange


def make_maker(**settings: Any) -> EnvironMaker:
    fields = {
        "app": "a:b",
        "interface": "auto",
        "app_dir": "/",
        "env": {},
        "root_path": "",
        "threads": 4,
        "workers": 2,
        "software": "typhon/1",
        **settings,
    }
    return EnvironMaker(Settings(fields), sys.stderr)


def exchange_of(flags: int = 0, body: bytes = b"", **request: Any) -> WsgiExchange:
    names, values = record(**request)
    slot: Any = SimpleNamespace()
    return WsgiExchange(slot, 1, flags, 0.0, names, values, body)


def environ_of(maker: EnvironMaker | None = None, **request: Any) -> dict[str, Any]:
    return (maker or make_maker()).make(exchange_of(**request))


def test_has_what_pep_3333_asks_for() -> None:
    environ = environ_of(
        method="POST",
        path="/a/b",
        query="x=1&y=%20",
        fields=(("host", "h:1"), ("content-type", "text/x"), ("content-length", "0"), ("x-a", "b")),
        scheme="https",
    )
    assert isinstance(environ.pop("wsgi.input"), io.BytesIO)
    assert callable(environ.pop("typhon.client_gone"))
    assert environ == {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a/b",
        "QUERY_STRING": "x=1&y=%20",
        "REQUEST_URI": "/a/b?x=1&y=%20",
        "RAW_URI": "/a/b?x=1&y=%20",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "198.51.100.1",
        "SERVER_PORT": "8080",
        "SERVER_SOFTWARE": "typhon/1",
        "REMOTE_ADDR": "192.0.2.7",
        "REMOTE_PORT": "51234",
        "HTTP_X_REQUEST_ID": "r-1",
        "HTTP_HOST": "h:1",
        "HTTP_X_A": "b",
        "CONTENT_TYPE": "text/x",
        "CONTENT_LENGTH": "0",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "HTTPS": "on",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
        "wsgi.input_terminated": True,
    }


def ssl_of(environ: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in environ.items() if name.startswith("SSL_")}


def test_says_https_of_a_proxy_that_has_the_tls_connection_and_nothing_of_a_handshake() -> None:
    environ = environ_of(scheme="https")
    assert (environ["HTTPS"], ssl_of(environ)) == ("on", {})
    assert "HTTPS" not in environ_of(scheme="http")
    # A client's field cannot become one of these variables.
    fields = (("https", "on"), ("ssl-client-verify", "SUCCESS"))
    assert "HTTPS" not in environ_of(fields=fields)
    assert ssl_of(environ_of(fields=fields)) == {}


def test_names_what_the_handshake_has_agreed_as_mod_ssl_does() -> None:
    environ = environ_of(scheme="https", tls=handshake(), protocol="HTTP/2.0")
    assert environ["SERVER_PROTOCOL"] == "HTTP/2.0"
    assert (environ["HTTPS"], environ["wsgi.url_scheme"]) == ("on", "https")
    assert ssl_of(environ) == {
        "SSL_PROTOCOL": "TLSv1.3",
        "SSL_CIPHER": "TLS_AES_128_GCM_SHA256",
        "SSL_TLS_SNI": "example.com",
        "SSL_CLIENT_VERIFY": "NONE",
    }
    assert "SSL_TLS_SNI" not in environ_of(tls=handshake(server_name=""))


def test_names_a_client_certificate_as_mod_ssl_does() -> None:
    tls = handshake(
        chain=["PEM\n1\n", "PEM\n2\n", "PEM\n3\n"],
        subject="CN=Zoë,O=Example",
        alternative_names=["email:z@a", "DNS:a", "IP Address:192.0.2.1", "DNS:b", "email:y@a"],
    )
    assert ssl_of(environ_of(scheme="https", tls=tls)) == {
        "SSL_PROTOCOL": "TLSv1.3",
        "SSL_CIPHER": "TLS_AES_128_GCM_SHA256",
        "SSL_TLS_SNI": "example.com",
        "SSL_CLIENT_VERIFY": "SUCCESS",
        "SSL_CLIENT_CERT": "PEM\n1\n",
        "SSL_CLIENT_CERT_CHAIN_0": "PEM\n2\n",
        "SSL_CLIENT_CERT_CHAIN_1": "PEM\n3\n",
        # UTF-8 bytes, each a character.
        "SSL_CLIENT_S_DN": "CN=Zo\u00c3\u00ab,O=Example",
        "SSL_CLIENT_I_DN": "CN=Staff,O=Example",
        "SSL_CLIENT_M_SERIAL": "0A3F",
        "SSL_CLIENT_V_START": "Jan  1 00:00:00 2026 GMT",
        "SSL_CLIENT_V_END": "Dec 31 23:59:59 2026 GMT",
        "SSL_CLIENT_SAN_DNS_0": "a",
        "SSL_CLIENT_SAN_DNS_1": "b",
        "SSL_CLIENT_SAN_Email_0": "z@a",
        "SSL_CLIENT_SAN_Email_1": "y@a",
    }


def test_one_connection_leaves_nothing_to_the_next() -> None:
    maker = make_maker()
    environ_of(maker, scheme="https", tls=handshake(subject="CN=anna"))
    assert ssl_of(environ_of(maker)) == {}
    environ = environ_of(maker, scheme="https", tls=handshake())
    assert environ["SSL_CLIENT_VERIFY"] == "NONE"
    assert "SSL_CLIENT_CERT" not in environ


def test_says_whether_anybody_waits_for_the_response() -> None:
    exchange = exchange_of()
    is_client_gone = make_maker().make(exchange)["typhon.client_gone"]
    assert is_client_gone() is False
    exchange.is_cancelled = True
    assert is_client_gone() is True


@pytest.mark.parametrize(("threads", "workers"), [(1, 1), (1, 2), (2, 1)])
def test_says_how_many_threads_and_processes_may_run(threads: int, workers: int) -> None:
    environ = environ_of(make_maker(threads=threads, workers=workers))
    assert environ["wsgi.multithread"] is (threads > 1)
    assert environ["wsgi.multiprocess"] is (workers > 1)


def test_joins_repeated_fields_and_cookies_by_semicolon() -> None:
    fields = (("accept", "a"), ("cookie", "c=1"), ("accept", "b"), ("cookie", "d=2"), ("x", "y"))
    environ = environ_of(fields=fields)
    assert environ["HTTP_ACCEPT"] == "a, b"
    assert environ["HTTP_COOKIE"] == "c=1; d=2"
    assert environ["HTTP_X"] == "y"


# Which names come is the front's decision (--header-map).
def test_joins_names_that_are_one_key_in_an_environ() -> None:
    environ = environ_of(fields=(("x_a", "1"), ("x-b", "2"), ("x-a", "3")))
    assert environ["HTTP_X_A"] == "1, 3"
    assert environ["HTTP_X_B"] == "2"
    assert environ["HTTP_X_REQUEST_ID"] == "r-1"


def test_keeps_values_of_one_request_out_of_the_next() -> None:
    maker = make_maker()
    first = environ_of(maker, fields=(("x-a", "1"), ("x-a", "2"), ("x-b", "3")))
    first["mine"] = True
    second = environ_of(maker, fields=(("x-a", "4"), ("x-a", "5"), ("x-b", "6")))
    assert (first["HTTP_X_A"], second["HTTP_X_A"]) == ("1, 2", "4, 5")
    assert "mine" not in second
    assert "HTTP_X_A" not in environ_of(maker, fields=())


@pytest.mark.parametrize(
    ("raw", "decoded"),
    [
        ("/", "/"),
        ("/a%20b", "/a b"),
        ("/%C3%a9", "/\xc3\xa9"),
        ("/%25%2541", "/%%41"),
        ("/%2Fetc%2f", "//etc/"),
        ("/\xe9", "/\xe9"),
        ("/%zz%+f%4", "/%zz%+f%4"),
        ("%", "%"),
    ],
)
def test_decodes_a_path_byte_by_byte(raw: str, decoded: str) -> None:
    assert decode_path(raw) == decoded


@pytest.mark.parametrize(
    ("path", "path_info"),
    [
        ("/app", ""),
        ("/app/", "/"),
        ("/app/x%2Fy", "/x/y"),
        ("/%61pp/x", "/x"),
        ("/apple", "/apple"),
        ("/x", "/x"),
        ("/", "/"),
    ],
)
def test_takes_the_root_path_off_at_a_border(path: str, path_info: str) -> None:
    environ = environ_of(make_maker(root_path="/app"), path=path)
    assert environ["SCRIPT_NAME"] == "/app"
    assert environ["PATH_INFO"] == path_info
    assert environ["REQUEST_URI"] == path


def test_takes_a_root_path_outside_ascii_as_its_bytes() -> None:
    environ = environ_of(make_maker(root_path="/café"), path="/caf%C3%A9/x")
    assert environ["SCRIPT_NAME"] == "/caf\xc3\xa9"
    assert environ["PATH_INFO"] == "/x"


@pytest.mark.parametrize(("scheme", "port"), [("http", "80"), ("https", "443")])
def test_names_a_server_that_listens_on_a_unix_socket(scheme: str, port: str) -> None:
    environ = environ_of(server="", server_port="0", scheme=scheme, remote="")
    assert environ["SERVER_NAME"] == "localhost"
    assert environ["SERVER_PORT"] == port
    assert environ["REMOTE_ADDR"] == ""


def test_gives_a_chunked_body_its_length_and_no_transfer_encoding() -> None:
    environ = environ_of(
        flags=pages.BODY_INLINE,
        body=b"abc",
        fields=(("transfer-encoding", "chunked"),),
        body_length="3",
    )
    assert environ["CONTENT_LENGTH"] == "3"
    assert "HTTP_TRANSFER_ENCODING" not in environ
    assert environ["wsgi.input"].read() == b"abc"
    empty = environ_of(fields=(("transfer-encoding", "chunked"),), body_length="0")
    assert empty["CONTENT_LENGTH"] == "0"


def test_opens_a_body_that_lies_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(b"line\nrest")
    environ = environ_of(flags=pages.BODY_IN_FILE, body_file=str(path), body_length="9")
    assert not path.exists()
    with environ["wsgi.input"] as body:
        assert body.readline() == b"line\n"
        assert body.read() == b"rest"


def test_fails_as_the_file_fails() -> None:
    with pytest.raises(FileNotFoundError):
        environ_of(flags=pages.BODY_IN_FILE, body_file="/nonexistent/body")


def test_takes_no_file_but_the_body_that_the_front_has_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = tmp_path / "private"
    private.mkdir(0o700)
    whole, second = private / "1", private / "again"
    whole.write_bytes(b"body")

    def refused(path: Path, text: str) -> None:
        before = os.listdir("/proc/self/fd")
        with pytest.raises(OSError, match=text):
            environ_of(flags=pages.BODY_IN_FILE, body_file=str(path), body_length="4")
        assert os.listdir("/proc/self/fd") == before
        assert whole.read_bytes() == b"body"

    (private / "link").symlink_to(whole)
    (private / "longer").write_bytes(b"bodies")
    (private / "folder").mkdir()
    os.mkfifo(private / "fifo")
    (tmp_path / "folder").symlink_to(private)
    refused(private / "link", "Too many levels")
    refused(tmp_path / "folder" / "1", "Too many levels|Not a directory")
    for name in ("longer", "folder", "fifo"):
        refused(private / name, "the file is not the body")
    os.link(whole, second)
    refused(whole, "the file is not the body")
    second.unlink()
    private.chmod(0o750)
    refused(whole, "the folder is not private")
    private.chmod(0o700)
    monkeypatch.setattr(os, "geteuid", lambda: -1)
    refused(whole, "the folder is not private")


def test_refuses_a_record_with_another_number_of_values() -> None:
    maker = make_maker()
    for change in ("\0", ""):
        exchange = exchange_of(fields=(("a", "b"),))
        exchange.values = exchange.values + b"\0x" if change else exchange.values[:-1]
        with pytest.raises(WireFault):
            maker.make(exchange)


def test_keeps_a_nul_that_is_encoded_out_of_the_fields() -> None:
    environ = environ_of(path="/a%00b")
    assert environ["PATH_INFO"] == "/a\0b"
    assert environ["REMOTE_ADDR"] == "192.0.2.7"


def test_forgets_blocks_of_names_when_there_are_many() -> None:
    maker = make_maker()
    for number in range(MAX_LAYOUTS + 10):
        assert environ_of(maker, fields=((f"x-{number}", "v"),))[f"HTTP_X_{number}"] == "v"
    assert len(maker.layouts) <= MAX_LAYOUTS
    environ_of(maker, fields=(("x-" + "y" * 4000, "v"),))
    assert all(len(names) < 100 for names in maker.layouts)


def test_raises_nothing_but_a_wire_fault_on_random_records() -> None:
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    maker = make_maker(root_path="/a")
    refused = accepted = 0
    for _ in range(3000):
        exchange = exchange_of(fields=(("a", "b"), ("cookie", "c"))[: chance.randrange(3)])
        names = bytearray(exchange.names + b"\0")
        values = bytearray(exchange.values)
        for block in (names, values):
            for _ in range(chance.randrange(3)):
                block[chance.randrange(len(block))] = chance.choice(b"\0_-%\xff")
        exchange.names = bytes(names[:-1])
        exchange.values = bytes(values)
        try:
            maker.make(exchange)
            accepted += 1
        except WireFault:
            refused += 1
    assert accepted > 0, f"seed {seed}"
    assert refused > 0, f"seed {seed}"
