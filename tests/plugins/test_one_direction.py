"""Two gateways that are active together: each sees one direction of a control connection, and opens nothing."""

from __future__ import annotations

import pytest
from connection import Connection
from rpc_messages import TCP, getport, port, reply

from fwhelpers.plugin.manager import load

HELPERS = load().helpers
#: (by the server, bytes)
PASSIVE = [(True, b"220 hello\r\n"), (False, b"USER x\r\n"), (True, b"230 welcome\r\n"),
           (False, b"PASV\r\n"), (True, b"227 Entering Passive Mode (10,0,2,2,78,32)\r\n")]  # fmt: skip
ACTIVE = [*PASSIVE[:3], (False, b"PORT 10,0,1,2,78,32\r\n"), (True, b"200 ok\r\n")]
GETPORT = [(False, getport(1, prot=TCP)), (True, reply(1, port(20048)))]
CASES = {"pasv": ("ftp", "tcp", 21, PASSIVE), "port": ("ftp", "tcp", 21, ACTIVE),
         "getport": ("rpc", "udp", 111, GETPORT)}  # fmt: skip


def opened(case: str, directions: tuple[bool, ...]) -> list[str]:
    name, l4, service, talk = CASES[case]
    connection = Connection(HELPERS[name], l4, "10.0.1.2:40000", f"10.0.2.2:{service}")
    for by_server, data in talk:
        if by_server in directions:
            connection.say(data, by_server)
    return connection.expected


@pytest.mark.parametrize("case", CASES)
def test_nothing_opens(case: str) -> None:
    assert len(opened(case, (False, True))) == 1, "the case is one"
    assert opened(case, (False,)) == []
    assert opened(case, (True,)) == []
