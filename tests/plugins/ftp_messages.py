"""FTP sessions for tests of the helper."""

from __future__ import annotations

from fwhelpers_plugins.ftp import fwhelpers_helpers

from fwhelpers.api import Expect, Refuse
from fwhelpers.testing import Playbook, client, server

(FTP,) = fwhelpers_helpers()

PASV = client(b"PASV\r\n")
EPSV = client(b"EPSV\r\n")
REPLY_227 = server(b"227 Entering Passive Mode (10,0,2,2,4,1).\r\n")
REPLY_229 = server(b"229 Entering Extended Passive Mode (|||1025|)\r\n")


def logged_in(family: int = 4, **settings: object) -> Playbook:
    play = Playbook(FTP, family=family, **settings)
    return (
        play
        >> server(b"220 ready\r\n")
        >> client(b"USER a\r\n")
        >> server(b"331 password\r\n")
        >> client(b"PASS b\r\n")
        >> server(b"230 logged in\r\n")
    )


def active(play: Playbook, port: int = 1025, command: str = "PORT") -> Expect:
    return Expect(play.server, play.client.at(port), policy="active", trigger=command)


def passive(play: Playbook, port: int = 1025, command: str = "PASV") -> Expect:
    return Expect(play.client, play.server.at(port), policy="passive", trigger=command)


def unsolicited(
    play: Playbook, port: int = 1025, reason: str = "no command is waiting for it"
) -> Refuse:
    return Refuse("G4", f"227: {reason}", play.server.at(port))
