"""The listener on loopback and on a Unix socket, with real clients."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from statistics_reply import helper, service, worker

from fwhelpers.metrics import listener as module
from fwhelpers.metrics.address import Address
from fwhelpers.metrics.exposition import Fetch
from fwhelpers.metrics.families import Statistics
from fwhelpers.metrics.listener import Listener

OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}


def fetch() -> Statistics:
    return Statistics(service(), [helper()], [worker()])


@contextmanager
def serving(address: Address, fetch: Fetch = fetch) -> Iterator[Listener]:
    with Listener(address, fetch) as listener:
        thread = threading.Thread(target=listener.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield listener
        finally:
            listener.shutdown()
            thread.join()


@pytest.fixture
def loopback() -> Iterator[Listener]:
    with serving(Address("127.0.0.1", free_port())) as listener:
        yield listener


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def get(
    listener: Listener, path: str = "/metrics", method: str = "GET", **headers: str
) -> tuple[int, str, str]:
    client = http.client.HTTPConnection("127.0.0.1", listener.server_port, timeout=20)
    client.request(method, path, headers={**headers})
    response = client.getresponse()
    body = response.read().decode()
    client.close()
    return response.status, response.getheader("Content-Type") or "", body


def test_the_client_chooses_the_format(loopback: Listener) -> None:
    status, kind, body = get(loopback, **OPENMETRICS)
    assert (status, kind.split(";")[0]) == (200, "application/openmetrics-text")
    assert {f.name for f in text_string_to_metric_families(body)} >= {"fwhelpers_up"}
    status, kind, body = get(loopback)
    assert (status, kind.split(";")[0]) == (200, "text/plain")
    assert "fwhelpers_up 1.0\n" in body


def test_nothing_else_is_served(loopback: Listener) -> None:
    assert get(loopback, "/")[0] == 404
    assert get(loopback, "/favicon.ico")[0] == 404
    assert get(loopback, "/metrics", "POST")[0] == 405
    assert "fwhelpers_up 1.0\n" in get(loopback, "/metrics?name[]=nothing")[2]


def test_a_service_that_does_not_answer() -> None:
    with serving(Address("127.0.0.1", free_port()), lambda: None) as listener:
        status, _, body = get(listener)
    assert (status, [line for line in body.splitlines() if line[0] != "#"]) == (
        200,
        ["fwhelpers_up 0.0"],
    )


def read_unix(path: Path) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(path))
        client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        return b"".join(iter(lambda: client.recv(4096), b""))


def test_a_unix_socket_and_its_successor(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    for _ in range(2):  # the socket of the first remains
        with serving(Address(str(path), 0)):
            assert path.stat().st_mode & 0o777 == 0o666
            head, _, body = read_unix(path).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.0 200 OK")
            assert b"fwhelpers_up 1.0\n" in body
            with pytest.raises(OSError, match="in use"):  # it is listening
                Listener(Address(str(path), 0), fetch)


def test_other_files_are_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("kept")
    with pytest.raises(OSError, match="in use"):
        Listener(Address(str(path), 0), fetch)
    assert path.read_text() == "kept"


def test_silent_clients_do_not_take_all_threads(
    loopback: Listener, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module._Handler, "timeout", 1)
    address = ("127.0.0.1", loopback.server_port)
    silent = [socket.create_connection(address, 20) for _ in range(module.MAX_REQUESTS)]
    excess = socket.create_connection(address, 20)
    assert excess.recv(1) == b""  # closed without an answer
    for client in silent:
        assert client.recv(1) == b""  # the listener waited a second
        client.close()
    excess.close()
    assert get(loopback)[0] == 200
    assert "Traceback" not in capsys.readouterr().err


def test_listening_asks_no_name_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getfqdn", lambda *_: pytest.fail("DNS may not answer"))
    with serving(Address("127.0.0.1", free_port())) as listener:
        assert listener.server_name == "127.0.0.1"
