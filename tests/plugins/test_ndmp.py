"""NDMP: one server's announcement, and another one that is told to connect to it."""

from __future__ import annotations

import pytest
from connection import Connection
from hypothesis import given
from hypothesis import strategies as st
from ndmp_messages import (
    DATA_LISTEN,
    MOVER_LISTEN,
    NDMP,
    answer,
    data_connects,
    listening,
    mover_connects,
    opens,
    request,
)

from fwhelpers.api import Endpoint, Expect, ParseError, Refuse
from fwhelpers.engine.guard import Limits, Prefix
from fwhelpers.engine.inspector import Active, Inspector
from fwhelpers.plugin.validation import validate
from fwhelpers.testing import Playbook, client, server
from fwhelpers.testing.invariants import check, check_restart
from fwhelpers.testing.playbook import CLIENT, SERVER, Message, new_parser

OTHER, LISTENS = Endpoint.parse("10.0.2.3", 45000), SERVER[4].at(45000)
BACKUP = CLIENT[4].at(45000)
DATA_ONLY = Endpoint.parse("10.0.2.130", 45000)
ends = st.sampled_from([OTHER, LISTENS, BACKUP])
versions = st.sampled_from([3, 4])
texts = st.one_of(
    st.builds(opens, st.integers(2, 5)),
    st.builds(request, st.sampled_from([DATA_LISTEN, MOVER_LISTEN]), st.binary(max_size=8)),
    st.builds(lambda end, version: listening(end, version=version), ends, versions),
    st.builds(lambda end, version: mover_connects(end, version=version), ends, versions),
    st.builds(lambda end, version: data_connects(end, version=version), ends, versions),
    st.binary(max_size=40),
)
scripts = st.lists(st.builds(Message, texts, st.booleans()), max_size=8)


@given(scripts, st.integers(0, 100))
def test_fuzz(script: list[Message], seed: int) -> None:
    check(NDMP, script, "tcp", seed=seed, address="announced")


@given(scripts)
def test_another_worker_can_take_over(script: list[Message]) -> None:
    check_restart(NDMP, script, "tcp", address="announced")


def test_the_declaration() -> None:
    assert list(validate(NDMP)) == []


class Backup:
    """A backup program with control connections to the servers A and B."""

    def __init__(self, mode: str = "announced", addresses: str = "") -> None:
        limits = Limits(address=mode)
        if addresses:
            host, length = addresses.split("/")
            limits = Limits(addresses=(Prefix(Endpoint.parse(host).addr, int(length)),))
        active = Active(NDMP, {}, limits)
        first = Connection(NDMP, "tcp", "10.0.1.2:40000", "10.0.2.2:10000", active=active)
        self.a, self.maker = first, first.maker
        assert isinstance(first.inspector, Inspector)
        self.b = Connection(
            NDMP, "tcp", "10.0.1.2:40001", "10.0.2.3:10000", inspector=first.inspector,
            maker=first.maker,
        )  # fmt: skip

    @property
    def refused(self) -> list[str]:
        return self.a.refused + self.b.refused


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize(
    ("code", "connects"), [(DATA_LISTEN, mover_connects), (MOVER_LISTEN, data_connects)]
)
def test_one_server_connects_to_the_other(version: int, code: int, connects: object) -> None:
    assert callable(connects)
    backup = Backup()
    for connection in (backup.a, backup.b):
        connection.c(opens(version))
        connection.s(answer(0x900, bytes(4), 1))
    backup.a.c(request(code, bytes(8)))
    backup.a.s(listening(LISTENS, version=version, code=code))
    backup.b.c(connects(LISTENS, version=version))
    itself = "10.0.1.2 > 10.0.2.2:45000"  # a backup program may send the data itself
    assert backup.a.expected == [itself, "10.0.2.3 > 10.0.2.2:45000"]
    assert backup.refused == []


def test_a_server_with_an_interface_for_data() -> None:
    """As "preferred_interface" of NetApp's filers: what it announces is not the address of the control connection."""
    backup = Backup(addresses="10.0.2.0/24")
    for connection in (backup.a, backup.b):
        connection.c(opens())
    backup.a.c(request(DATA_LISTEN, bytes(4)))
    backup.a.s(listening(DATA_ONLY))
    backup.b.c(mover_connects(DATA_ONLY))
    assert backup.a.expected == ["10.0.1.2 > 10.0.2.130:45000", "10.0.2.3 > 10.0.2.130:45000"]
    assert backup.refused == []


def test_an_interface_for_data_that_is_not_allowed() -> None:
    backup = Backup(addresses="10.0.2.0/28")
    backup.a.c(opens())
    backup.a.c(request(DATA_LISTEN, bytes(4)))
    backup.a.s(listening(DATA_ONLY))
    assert (backup.a.expected, backup.refused) == ([], ["G5"])
    play = Playbook(NDMP) >> client(opens(), request(DATA_LISTEN, bytes(4)))
    play = play >> server(listening(DATA_ONLY))
    assert play << Refuse


@pytest.mark.parametrize("address", ["peer", "announced"])
def test_a_server_lists_all_that_it_has(address: str) -> None:
    """Its own address counts, wherever in the list it is."""
    many = [Endpoint.parse(f"10.0.3.{host}", 45000) for host in range(1, 20)]
    play = Playbook(NDMP, address=address) >> client(opens(), request(DATA_LISTEN, bytes(4)))
    play = (
        play >> server(listening(*many, LISTENS)) << Expect(play.client, LISTENS, trigger="LISTEN")
    )
    for _ in range(7 if address == "announced" else 0):
        play = play << Expect
    assert play


def test_by_default_servers_may_not_name_each_other() -> None:
    backup = Backup("peer")
    for connection in (backup.a, backup.b):
        connection.c(opens())
    backup.a.c(request(DATA_LISTEN, bytes(4)))
    backup.a.s(listening(LISTENS))
    backup.b.c(mover_connects(LISTENS))
    assert backup.a.expected == ["10.0.1.2 > 10.0.2.2:45000"]
    assert backup.refused == ["G5"]


@pytest.mark.parametrize(
    "data",
    [
        listening(OTHER, error=1),
        listening(LISTENS, error=1),
        answer(DATA_LISTEN, error=2),
        answer(DATA_LISTEN, bytes(8)),  # within the server itself
        listening(LISTENS, code=MOVER_LISTEN)[:-4] + b"\0\0\0\1",
        answer(0x40B, bytes(4)),
    ],
)
def test_what_is_no_announcement(data: bytes) -> None:
    backup = Backup()
    for connection in (backup.a, backup.b):
        connection.c(opens())
    backup.a.c(request(DATA_LISTEN, bytes(4), 9))
    backup.a.s(data)
    backup.b.c(mover_connects(LISTENS))
    assert (backup.maker.created, backup.refused) == ([], ["G4"])


def test_the_backup_program_may_take_the_data_itself() -> None:
    play = Playbook(NDMP) >> client(opens(3), data_connects(BACKUP, version=3))
    assert play << Expect(play.server, BACKUP, trigger="CONNECT")


@pytest.mark.parametrize("code", [DATA_LISTEN, MOVER_LISTEN])
def test_the_backup_program_may_send_the_data_itself(code: int) -> None:
    """As Amanda's ndmjob does with a resident data agent."""
    play = Playbook(NDMP) >> client(opens(3), request(code, bytes(8)))
    data = listening(LISTENS, version=3, code=code)
    assert play >> server(data) << Expect(play.client, LISTENS, trigger="LISTEN") >> server(data)


def test_several_addresses_of_a_server() -> None:
    play = Playbook(NDMP, address="announced") >> client(opens(), mover_connects(BACKUP, OTHER))
    assert play << Expect << Refuse


@pytest.mark.parametrize("version", [2, 5])
def test_other_versions_open_nothing(version: int) -> None:
    assert Playbook(NDMP) >> client(opens(version), mover_connects(BACKUP))


def test_long_records_are_passed_over() -> None:
    play = Playbook(NDMP) >> client(opens(3), request(0x30B, bytes(60000)))
    assert play >> client(data_connects(BACKUP, version=3)) << Expect


@pytest.mark.parametrize(
    "message",
    [
        client(b"\x80\0\0\x18" + b"\xff" * 24),
        client(b"\x80\0\0\4abcd"),
        client(opens(), mover_connects(*[BACKUP] * 65)),
        client(opens(), mover_connects(CLIENT[4].at(70000))),
    ],
)
def test_other_bytes_end_the_inspection(message: Message) -> None:
    assert Playbook(NDMP) >> message << ParseError


def test_answers_alone_announce_nothing() -> None:
    assert Playbook(NDMP) >> client(opens()) >> server(listening(LISTENS))


@pytest.mark.parametrize("reply", [False, True])
def test_a_page_of_a_browser_ends_the_inspection(reply: bool) -> None:
    """As a record's length its first bytes are a gigabyte, after which others would be read as NDMP."""
    with pytest.raises(ParseError):
        list(new_parser(NDMP).feed(b"POST / HTTP/1.1\r\n", reply))


def test_long_records_are_passed_over_after_a_restart() -> None:
    parser = new_parser(NDMP)
    parser.restore(b"\4")
    assert list(parser.feed((0x80000000 | 1 << 20).to_bytes(4, "big"), True)) == []
