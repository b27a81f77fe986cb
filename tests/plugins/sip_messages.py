"""SIP messages between the example hosts, and the expectations that they announce."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from fwhelpers_plugins.sip import SipDatagrams, SipStream, fwhelpers_helpers

from fwhelpers.api import Cancel, Endpoint, Event, Expect, Keep, Resize, Rewrite
from fwhelpers.testing import Playbook
from fwhelpers.testing.playbook import CLIENT, SERVER, Message

(SIP,) = fwhelpers_helpers()

A, B = CLIENT[4].host, SERVER[4].host
A6, B6 = CLIENT[6].host, SERVER[6].host
X = "203.0.113.9"  #: a host that is no end of the control connection


class _Quiet:
    """Leaves out what only NAT needs, and Keep; test_sip_rewriting.py and test_sip_keep.py look at that."""

    def feed(self, data: bytes, reply: bool) -> Iterator[Event]:
        for event in super().feed(data, reply):  # type: ignore[misc]
            if not isinstance(event, (Rewrite, Resize, Keep)):
                yield event


class QuietDatagrams(_Quiet, SipDatagrams):
    pass


class QuietStream(_Quiet, SipStream):
    pass


QUIET = replace(SIP, parser={"udp": QuietDatagrams, "tcp": QuietStream})


def sip(l4: str = "udp", family: int = 4, **arguments: Any) -> Playbook:
    """Return a conversation whose Rewrite and Resize events need not be stated."""
    return Playbook(QUIET, l4, family, **arguments)


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def sdp(host: str, *media: str, session: str = "") -> str:
    """Return a session description. A medium is the value of m= and further lines, with `|` between them."""
    kind = "IP6" if ":" in host else "IP4"
    text = f"v=0\r\no=- 1 1 IN {kind} {host}\r\ns=-\r\nc=IN {kind} {host}\r\nt=0 0\r\n{session}"
    for medium in media:
        first, *further = medium.split("|")
        text += f"m={first}\r\n" + "".join(f"{line}\r\n" for line in further)
    return text


def audio(host: str, port: int, *lines: str) -> str:
    """Return the description of one audio stream."""
    return sdp(host, "|".join([f"audio {port} RTP/AVP 0 8", *lines]))


def message(
    start: str,
    method: str,
    cseq: int,
    body: str,
    *,
    call: str = "call-1",
    to: str = "b",
    via: str = "",
    contact: str = "",
    kind: str = "application/sdp",
    extra: str = "",
) -> bytes:
    via = via or f"SIP/2.0/UDP {A}:40000;rport;branch=z9hG4bK-{cseq}"
    lines = [start, f"Via: {via}", "From: <sip:a@example.org>;tag=1", f"To: <sip:{to}@example.org>"]
    lines += [f"Call-ID: {call}", f"CSeq: {cseq} {method}"]
    lines += [f"Contact: {contact}"] if contact else []
    lines += [f"Content-Type: {kind}"] if body else []
    lines += extra.splitlines()
    lines += [f"Content-Length: {len(body.encode())}", "", body]
    return "\r\n".join(lines).encode()


def request(method: str, body: str = "", cseq: int = 1, **fields: Any) -> bytes:
    """Return a request; further arguments as for `message`."""
    return message(f"{method} sip:b@example.org SIP/2.0", method, cseq, body, **fields)


def response(status: int, method: str, body: str = "", cseq: int = 1, **fields: Any) -> bytes:
    """Return a response; further arguments as for `message`."""
    return message(f"SIP/2.0 {status} Reason", method, cseq, body, **fields)


def invite(body: str = "", **fields: Any) -> bytes:
    return request("INVITE", body, **fields)


def ok(body: str = "", method: str = "INVITE", **fields: Any) -> bytes:
    return response(200, method, body, **fields)


def by_client(data: bytes) -> Message:
    return Message(data, False)


def by_server(data: bytes) -> Message:
    return Message(data, True)


def to_client(port: int, count: int = 2, **fields: Any) -> Expect:
    """Return the expectation of media that the server sends to the client."""
    return _media(SERVER[4].at(5060), CLIENT[4].at(port), count, fields)


def to_server(port: int, count: int = 2, **fields: Any) -> Expect:
    """Return the expectation of media that the client sends to the server."""
    return _media(CLIENT[4], SERVER[4].at(port), count, fields)


def between(source: str, host: str, port: int, count: int = 2, **fields: Any) -> Expect:
    """Return the expectation of media between any two hosts."""
    end = CLIENT[4] if source == A else Endpoint.parse(source)
    return _media(end, Endpoint.parse(host, port), count, fields)


def _media(client: Endpoint, server: Endpoint, count: int, fields: dict[str, Any]) -> Expect:
    fields = {"l4": "udp", "policy": "audio", "trigger": "audio", "timeout": 180} | fields
    return Expect(client, server, count=count, **fields)


def again(expect: Expect) -> Expect:
    """Return the expectation as a message of the other end confirms or ends it."""
    return replace(expect, confirms_peer=True)


def void(expect: Expect) -> Cancel:
    """Return its withdrawal by a message of the end that announced it."""
    return Cancel(expect.policy, expect)


def void_again(expect: Expect) -> Cancel:
    """Return its withdrawal by a message of the other end."""
    return void(again(expect))


OFFER, ANSWER = audio(A, 4000), audio(B, 6000)


def established(play: Playbook | None = None) -> Playbook:
    """Return a conversation with a call that has been answered."""
    return (
        (play or sip())
        >> by_client(invite(OFFER))
        << to_client(4000)
        >> by_server(ok(ANSWER))
        << again(to_client(4000))
        << to_server(6000)
        >> by_client(request("ACK"))
    )
