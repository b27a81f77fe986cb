"""The complete plugin: announcements, other messages, and arbitrary bytes."""

from __future__ import annotations

from random import Random

import pytest
from fwhelpers_foo import fwhelpers_helpers

from fwhelpers.api import Endpoint, Expect, ParseError
from fwhelpers.testing import Playbook, client, server
from fwhelpers.testing.invariants import check

(FOO,) = fwhelpers_helpers()


def test_the_server_announces() -> None:
    play = Playbook(FOO)
    assert (
        play
        >> server(b"DATA 4000\r\n")
        << Expect(play.client, play.server.at(4000), trigger="DATA")
    )


def test_behind_nat_another_port_is_written() -> None:
    play = Playbook(FOO)
    assert play >> server(b"DATA 4000\n") << Expect
    assert play.rewritten(Endpoint.parse("192.0.2.1", 50001), reply=True) == b"DATA 50001\n"


@pytest.mark.parametrize("line", [b"DATA 4000 \n", b"DATA x\n", b"data 4000\n", b"DATA 400000\n"])
def test_other_lines_announce_nothing(line: bytes) -> None:
    assert Playbook(FOO) >> server(line)


def test_the_client_announces_nothing() -> None:
    assert Playbook(FOO) >> client(b"DATA 4000\r\n")


@pytest.mark.parametrize("port", [0, 65536, 99999])
def test_no_port(port: int) -> None:
    assert Playbook(FOO) >> server(b"DATA %d\r\n" % port) << ParseError


@pytest.mark.parametrize("seed", range(20))
def test_any_bytes_cut_anyhow(seed: int) -> None:
    random = Random(seed)  # noqa: S311
    parts = [
        random.choice([b"DATA ", b"4000", b"\r\n", b"\n", random.randbytes(9)]) for _ in range(40)
    ]
    check(FOO, [server(*parts), client(*parts)], seed=seed)
