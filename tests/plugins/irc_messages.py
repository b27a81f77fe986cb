"""IRC sessions, as clients send them."""

from __future__ import annotations

from fwhelpers_plugins.irc import fwhelpers_helpers

from fwhelpers.api import Endpoint, Expect
from fwhelpers.testing import Playbook, client, server

(IRC,) = fwhelpers_helpers()

LOGIN = b"CAP LS 302\r\nNICK alice\r\nUSER alice alice 10.0.2.2 :Alice\r\n"
WELCOME = (
    b":irc.example.org 001 alice :Welcome to the Internet Relay Network alice!~alice@10.0.1.2\r\n"
)
OWN = {4: b"167772418", 6: b"fd01::2"}


def ctcp(text: bytes, command: bytes = b"PRIVMSG bob") -> bytes:
    return command + b" :\x01" + text + b"\x01\r\n"


def send(
    port: object = 5000, name: bytes = b"file.txt", address: bytes = OWN[4], rest: bytes = b" 3000"
) -> bytes:
    return ctcp(b"DCC SEND %s %s %s%s" % (name, address, str(port).encode(), rest))


def chat(port: object = 5001, address: bytes = OWN[4], kind: bytes = b"CHAT chat") -> bytes:
    return ctcp(b"DCC %s %s %s" % (kind, address, str(port).encode()))


def accept(port: object = 5000, name: bytes = b"file.txt", rest: bytes = b" 500") -> bytes:
    return ctcp(b"DCC ACCEPT %s %s%s" % (name, str(port).encode(), rest))


def logged_in(family: int = 4, address: str = "any-src") -> Playbook:
    play = Playbook(IRC, family=family, address=address)
    return play >> client(LOGIN) >> server(WELCOME)


def anybody(
    play: Playbook, port: int = 5000, trigger: str = "DCC SEND", span: tuple[int, int] | None = None
) -> Expect:
    end: Endpoint = play.client.at(port)
    return Expect(play.server, end, span=span, sources="any", trigger=trigger)
