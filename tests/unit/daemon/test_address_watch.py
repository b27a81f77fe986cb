"""The machine's addresses: read by pyroute2 from a simulated and from the real kernel, in a namespace of its own."""

from __future__ import annotations

import asyncio
import os
import queue
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from fwhelpers.daemon import address_watch
from fwhelpers.daemon.address_watch import MISSING, AddressWatch, read_table
from fwhelpers.engine.guard import Prefix
from fwhelpers.worker.onlink import AddressTable


class Message(dict[str, Any]):
    """An address as pyroute2 returns it."""

    def get_attr(self, name: str) -> str | None:
        value: str | None = self.get(name)
        return value


def address(text: str, length: int = 24, index: int = 3, **attributes: str) -> Message:
    return Message(index=index, prefixlen=length, IFA_ADDRESS=text, **attributes)


class Kernel:
    """Addresses, events and failures of its sockets; called as `IPRoute`."""

    def __init__(self, *addresses: Message) -> None:
        self.addresses = list(addresses)
        self.events: queue.Queue[object] = queue.Queue()
        self.failures: list[Exception] = []
        self.groups = 0

    def __call__(self) -> Kernel:
        return self

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def bind(self, groups: int) -> None:
        self.groups = groups

    def get_addr(self) -> Iterator[Message]:
        if self.failures:
            raise self.failures.pop()
        return iter(self.addresses)

    def get(self) -> list[object]:
        event = self.events.get()
        if isinstance(event, Exception):
            raise event
        return [event]


def test_addresses_of_both_families_are_read() -> None:
    kernel = Kernel(
        address("10.0.1.2", IFA_LOCAL="10.0.1.2"),
        address("10.0.9.1", 32, 4, IFA_LOCAL="10.0.1.9"),
        address("fd00::1", 64),
        Message(index=5, prefixlen=0),
    )
    table = read_table(kernel)
    assert table.own is not None
    assert {len(own) for own in table.own} == {4, 16}
    assert len(table.own) == 3
    assert table.prefixes == {
        3: (Prefix(bytes([10, 0, 1, 0]), 24), Prefix(b"\xfd" + bytes(15), 64)),
        4: (Prefix(bytes([10, 0, 9, 1]), 32),),
    }


def test_too_many_addresses_count_as_unknown(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(address_watch, "MAX_TABLE", 500)
    kernel = Kernel(*[address(f"10.0.{n}.1") for n in range(100)])
    assert read_table(kernel) == AddressTable()
    assert caplog.messages == ["100 addresses are too many to follow them"]


def tables_around(kernel: Kernel, event: object) -> list[AddressTable]:
    """The tables that are reported before and after an address comes with this event."""

    async def scenario() -> list[AddressTable]:
        reports: asyncio.Queue[AddressTable] = asyncio.Queue()
        watch = AddressWatch(reports.put_nowait)
        async with asyncio.timeout(30):
            await watch.start()
            tables = [await reports.get()]
            kernel.addresses.append(address("10.0.2.1"))
            kernel.events.put(event)
            tables.append(await reports.get())
        await watch.stop()
        kernel.events.put("the thread ends")
        return tables

    return asyncio.run(scenario())


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    kernel = Kernel(address("10.0.1.2"))
    monkeypatch.setattr(address_watch, "_import_iproute", lambda: kernel)
    monkeypatch.setattr(address_watch, "RETRY", 0.01)
    return kernel


def test_an_event_leads_to_a_new_table(kernel: Kernel) -> None:
    first, second = tables_around(kernel, "RTM_NEWADDR")
    assert first.own == {bytes([10, 0, 1, 2])}
    assert second.own == {bytes([10, 0, 1, 2]), bytes([10, 0, 2, 1])}
    assert kernel.groups == 0x111


def test_lost_events_lead_to_a_new_table_too(kernel: Kernel) -> None:
    assert len(tables_around(kernel, OSError(105, "No buffer space available"))) == 2


def test_a_failed_dump_is_repeated(kernel: Kernel, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        kernel.failures = [OSError(11, "busy")]
        reports: asyncio.Queue[AddressTable] = asyncio.Queue()
        watch = AddressWatch(reports.put_nowait)
        async with asyncio.timeout(30):
            await watch.start()
            assert reports.empty()
            await reports.get()
        await watch.stop()
        kernel.events.put("the thread ends")

    asyncio.run(scenario())
    assert "read addresses: [Errno 11] busy" in caplog.messages


def test_without_pyroute2_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "pyroute2", None)
    tables: list[AddressTable] = []

    async def scenario() -> None:
        watch = AddressWatch(tables.append)
        await watch.start()
        await watch.stop()

    asyncio.run(scenario())
    assert caplog.messages == [MISSING]
    assert tables == []


def test_pyroute2_is_imported_without_psutil() -> None:
    code = (
        "import sys; from fwhelpers.daemon.address_watch import _import_iproute as load;"
        "assert load(); print('psutil' in sys.modules)"
    )
    argv = [sys.executable, "-W", "ignore", "-c", code]
    assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout == "False\n"


_TEST = """
import asyncio, subprocess
from fwhelpers.daemon.address_watch import AddressWatch

def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)

async def main():
    tables = asyncio.Queue()
    watch = AddressWatch(tables.put_nowait)
    ip("link", "set", "lo", "up")
    await watch.start()

    async def until(present):
        async with asyncio.timeout(30):
            while (bytes([10, 7, 0, 1]) in (await tables.get()).own) != present:
                pass

    for _ in range(3):
        ip("address", "add", "10.7.0.1/24", "dev", "lo")
        await until(True)
        ip("address", "delete", "10.7.0.1/24", "dev", "lo")
        await until(False)
    await watch.stop()
    print("followed")

asyncio.run(main())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for a network namespace")
@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare(1)")
@pytest.mark.skipif(shutil.which("ip") is None, reason="needs ip(8)")
def test_an_address_that_comes_and_goes_is_followed() -> None:
    argv = ["unshare", "--net", sys.executable, "-W", "ignore", "-c", _TEST]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "followed\n"
