"""Masters of live connections, over a kernel that is a dictionary."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from errno import ENOENT, EPERM

import pytest

from fwhelpers.daemon import master_lifetimes as module
from fwhelpers.daemon.master_lifetimes import LEAST, LIFETIME, MasterLifetimes
from fwhelpers.kernel import conntrack
from fwhelpers.kernel.conntrack import IPS_EXPECTED, Tuple
from fwhelpers.kernel.nfnl import NetlinkError
from fwhelpers.kernel.nla import DecodeError, be16, be32, nest, strz, u8

C, S = bytes((10, 0, 1, 2)), bytes((10, 0, 2, 2))
UDP, TCP = Tuple(C, S, 17, 700, 111), Tuple(C, S, 6, 701, 111)
ESTABLISHED, FIN_WAIT, TIME_WAIT, CLOSE = 3, 4, 7, 8


def reversed_tuple(value: Tuple) -> Tuple:
    return Tuple(value.dst, value.src, value.l4, value.dport, value.sport)


def entry(orig: Tuple, *attributes: bytes) -> bytes:
    tuples = conntrack.encode_tuple(1, orig), conntrack.encode_tuple(2, reversed_tuple(orig))
    return b"".join([*tuples, *attributes])


def child(master: Tuple, zone: int = 0, status: int = IPS_EXPECTED) -> bytes:
    where = be16(conntrack.CTA_ZONE, zone) if zone else b""
    return entry(
        Tuple(C, S, 6, 900, 2049),
        be32(conntrack.CTA_STATUS, status),
        conntrack.encode_tuple(conntrack.CTA_TUPLE_MASTER, master),
        where,
    )


class Kernel:
    """Entries with their lifetimes; `sent` has what was changed."""

    def __init__(self, *children: bytes) -> None:
        self.children = list(children)
        self.masters: dict[bytes, bytes] = {}
        self.looks = 0
        self.errno = 0
        self.sent: list[bytes] = []

    def master(
        self, orig: Tuple, timeout: int, state: int = 0, zone: int = 0, helper: str = "rpc"
    ) -> None:
        attributes = [
            be32(conntrack.CTA_TIMEOUT, timeout),
            nest(conntrack.CTA_HELP, strz(conntrack.CTA_HELP_NAME, helper)),
        ]
        if state:
            tcp = nest(conntrack.CTA_PROTOINFO_TCP, u8(conntrack.CTA_PROTOINFO_TCP_STATE, state))
            attributes.append(nest(conntrack.CTA_PROTOINFO, tcp))
        self.masters[conntrack.encode_get(orig, zone)] = entry(orig, *attributes)

    def dump(self, message: bytes, name: str = "") -> Iterator[bytes]:
        assert message == conntrack.encode_dump_expected()
        yield from self.children

    def request(self, message: bytes, name: str = "") -> list[bytes]:
        self.looks += 1
        if message not in self.masters:
            raise NetlinkError(ENOENT, name)
        return [self.masters[message]]

    def request_all(self, messages: list[bytes]) -> list[int]:
        self.sent += messages
        return [self.errno for _ in messages]

    def close(self) -> None:
        pass


@pytest.fixture
def lifetimes() -> MasterLifetimes:
    new = MasterLifetimes()
    new._helpers = {"rpc"}
    return new


def look(lifetimes: MasterLifetimes, kernel: Kernel, now: float = 100.0) -> list[bytes]:
    """What is sent to the kernel."""
    kernel.sent.clear()
    lifetimes.look(kernel, now)  # type: ignore[arg-type]
    return list(kernel.sent)


@pytest.mark.parametrize(
    ("orig", "state", "timeout"),
    [(UDP, 0, 25), (TCP, TIME_WAIT, LEAST - 1), (TCP, CLOSE, 9), (TCP, FIN_WAIT, 1)],
)
@pytest.mark.parametrize("zone", [0, 7])
def test_a_master_that_would_end_gets_a_longer_life(
    lifetimes: MasterLifetimes, orig: Tuple, state: int, timeout: int, zone: int
) -> None:
    kernel = Kernel(child(orig, zone))
    kernel.master(orig, timeout, state, zone)
    assert look(lifetimes, kernel) == [conntrack.encode_lifetime(orig, zone, LIFETIME)]


def test_a_master_with_enough_time_is_left_alone(lifetimes: MasterLifetimes) -> None:
    kernel = Kernel(child(TCP))
    kernel.master(TCP, 431_999, ESTABLISHED)
    assert look(lifetimes, kernel) == []


def test_no_master_has_less_than_the_least_when_it_is_looked_at_in_time(
    lifetimes: MasterLifetimes,
) -> None:
    kernel, now, ends = Kernel(child(TCP)), 100.0, 218.0
    while now < 5000:
        kernel.master(TCP, int(ends - now), TIME_WAIT)
        if look(lifetimes, kernel, now):
            ends = now + LIFETIME
        now += module.INTERVAL
        assert ends - now > LEAST - 3 * module.INTERVAL
    assert kernel.looks < 40, "a closed connection is seldom looked at"


@pytest.mark.parametrize(("orig", "state"), [(UDP, 0), (TCP, ESTABLISHED)])
def test_what_packets_can_shorten_is_looked_at_again_in_time(
    lifetimes: MasterLifetimes, orig: Tuple, state: int
) -> None:
    kernel = Kernel(child(orig))
    kernel.master(orig, 9999, state)
    assert look(lifetimes, kernel) == []
    kernel.master(orig, 30, state)
    soon = module.UNHURRIED if state == 0 else module.INTERVAL
    assert look(lifetimes, kernel, 100.0 + soon)


def test_masters_of_other_helpers_are_left_alone(lifetimes: MasterLifetimes) -> None:
    kernel = Kernel(child(UDP))
    kernel.master(UDP, 5, helper="ftp")
    assert look(lifetimes, kernel) == []


def test_entries_that_have_no_master_do_not_count(lifetimes: MasterLifetimes) -> None:
    kernel = Kernel(entry(TCP, be32(conntrack.CTA_STATUS, 0xE)), child(UDP, status=0xE))
    kernel.master(UDP, 5)
    assert look(lifetimes, kernel) == []
    assert kernel.looks == 0


def test_a_master_that_has_ended_and_one_with_a_fixed_lifetime(lifetimes: MasterLifetimes) -> None:
    kernel = Kernel(child(UDP), child(TCP), b"unreadable")
    kernel.master(TCP, 5, TIME_WAIT)
    kernel.errno = EPERM
    assert len(look(lifetimes, kernel)) == 1
    assert look(lifetimes, kernel, 104.0) == []


def test_masters_without_connections_are_forgotten(lifetimes: MasterLifetimes) -> None:
    kernel = Kernel(child(UDP))
    kernel.master(UDP, 9999)
    look(lifetimes, kernel)
    kernel.children.clear()
    look(lifetimes, kernel)
    assert lifetimes._due == {}


def test_an_unreadable_answer_does_not_end_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kernel = Kernel(child(UDP))
    kernel.master(UDP, 5)
    rounds: list[int] = []

    def dump(message: bytes, name: str = "") -> Iterator[bytes]:
        rounds.append(1)
        if len(rounds) == 1:
            raise DecodeError("truncated message")
        yield from kernel.children

    monkeypatch.setattr(kernel, "dump", dump)
    monkeypatch.setattr(module, "NetlinkSocket", lambda: kernel)
    monkeypatch.setattr(module, "INTERVAL", 0.001)

    async def run() -> None:
        lifetimes = MasterLifetimes()
        lifetimes.configure({"rpc"})
        await until(lambda: bool(kernel.sent))
        lifetimes.stop()

    asyncio.run(asyncio.wait_for(run(), 60))
    assert [r.getMessage() for r in caplog.records] == ["keep_masters: truncated message"]


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise TimeoutError


def test_it_runs_while_it_is_configured(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kernel = Kernel(child(UDP))
    kernel.master(UDP, 5)
    monkeypatch.setattr(module, "NetlinkSocket", lambda: kernel)
    monkeypatch.setattr(module, "INTERVAL", 0.001)

    def fail() -> Kernel:
        raise NetlinkError(EPERM, "open a netfilter netlink socket")

    async def run() -> None:
        lifetimes = MasterLifetimes()
        lifetimes.configure(())
        assert lifetimes._task is None
        lifetimes.configure({"rpc"})
        lifetimes.configure({"rpc", "tns"})
        task = lifetimes._task
        assert task is not None
        await until(lambda: bool(kernel.sent))
        monkeypatch.setattr(module, "NetlinkSocket", fail)
        await until(lambda: bool(caplog.records))
        await asyncio.sleep(20 * module.INTERVAL)
        lifetimes.configure(())
        await asyncio.wait([task])

    asyncio.run(asyncio.wait_for(run(), 60))
    (record,) = caplog.records
    assert record.getMessage().startswith("keep_masters: open a netfilter netlink socket")


def test_requests_for_the_kernel() -> None:
    """Attributes of another size or order are refused by it, so the bytes count."""
    request = conntrack.encode_lifetime(UDP, 7, 600)
    assert request[4:8] == b"\x00\x01\x05\x00"  # IPCTNL_MSG_CT_NEW; REQUEST and ACK, not CREATE
    assert request.endswith(be32(7, 600) + be16(18, 7))
    assert conntrack.encode_dump_expected().endswith(be32(3, 1) + be32(26, 1))
    assert conntrack.parse_tcp_state(entry(UDP)) == 0
