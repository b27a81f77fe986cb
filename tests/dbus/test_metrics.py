"""`fwhelpers metrics` with the service on a bus."""

from __future__ import annotations

import socket
import sys
import urllib.request
from pathlib import Path

import pytest
from message_bus import MessageBus, Program
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from fwhelpers.cli import bus_errors
from fwhelpers.cli import metrics as module
from fwhelpers.cli.main import main


@pytest.fixture(autouse=True)
def private_bus(bus: MessageBus, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.address)
    monkeypatch.setattr(bus_errors, "RUNTIME", tmp_path)


Capsys = pytest.CaptureFixture[str]


def test_numbers_of_the_service(service: Program, capsys: Capsys) -> None:
    service.command(do="create", first=5, count=3)
    service.command(do="refuse")
    assert main(["metrics"]) == 0
    text = capsys.readouterr().out
    samples = {
        (s.name, *s.labels.values()): s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }
    assert samples["fwhelpers_up",] == 1
    assert samples["fwhelpers_expectations", "ftp", "pending"] == 3
    assert samples["fwhelpers_refusals_total", "ftp", "G6"] == 1
    assert samples["fwhelpers_worker_packets_total", "1000"] == 5
    assert "10.0." not in text


def test_a_file(service: Program, tmp_path: Path, capsys: Capsys) -> None:
    file = tmp_path / "fwhelpers.prom"
    assert main(["metrics", "--output", str(file)]) == 0
    assert capsys.readouterr() == ("", "")
    assert "\nfwhelpers_up 1.0\n" in file.read_text()
    service.end()
    assert main(["metrics", "--output", str(file)]) == 0
    assert capsys.readouterr().err == (
        "fwhelpers: the service is not running\nhint: start it: systemctl start fwhelpers\n"
    )
    assert "\nfwhelpers_up 0.0\n" in file.read_text()
    assert main(["metrics", "--output", str(tmp_path / "none/file")]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[-2:] == [
        f"fwhelpers: error: {tmp_path}/none/file: No such file or directory",
        "hint: create its directory first",
    ]


def test_a_listener_follows_restarts_of_the_service(bus: MessageBus, service: Program) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{sock.getsockname()[1]}"
    command = (sys.executable, "-m", "fwhelpers", "metrics", "--listen", address)
    listener = Program(*command, env=bus.env)

    def is_up() -> bool:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=20) as response:
            return "\nfwhelpers_up 1.0\n" in response.read().decode()

    try:
        listener.wait_line(f"fwhelpers: metrics at {address}")
        assert is_up()
        service.end()
        while is_up():  # a second passes
            pass
        bus.stop()
        assert not is_up()
        bus.start()
        program = Path(__file__).parents[1] / "support/programs/bus_service.py"
        successor = Program(sys.executable, str(program), bus.address, env=bus.env)
        successor.wait_line("^on D-Bus")
        while not is_up():
            pass
        successor.end()
    finally:
        listener.end()


def test_an_address_that_cannot_be_used(capsys: Capsys) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        address = f"127.0.0.1:{sock.getsockname()[1]}"
        assert main(["metrics", "--listen", address]) == 1
    assert capsys.readouterr().err == (
        f"fwhelpers: error: listen on {address}: Address already in use\n"
    )
    assert main(["metrics", "--listen", "nonsense"]) == 1
    assert "must be HOST:PORT or unix:PATH" in capsys.readouterr().err


def test_requests_within_a_second_share_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([None, None])
    monkeypatch.setattr(module, "fetch", lambda: next(answers))
    cached = module.CachedFetch()
    assert [cached() for _ in range(100)] == [None] * 100
    assert len(list(answers)) == 1


def test_without_the_library_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: Capsys
) -> None:
    for name in [n for n in sys.modules if n.split(".")[0] == "prometheus_client"]:
        monkeypatch.delitem(sys.modules, name)
    for name in [n for n in sys.modules if n.startswith("fwhelpers.metrics")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("fwhelpers.metrics.exposition", raising=False)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    assert main(["metrics"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "fwhelpers: error: the Python library prometheus_client is missing",
        "hint: install it (Debian: python3-prometheus-client, Fedora: python3-prometheus_client)",
    ]
