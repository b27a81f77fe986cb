"""A caller, a callee and a gatekeeper that speak as much H.323 as a call needs.

    h323_peer.py callee HOST MODE
    h323_peer.py caller HOST MODE          MODE: fast, tunnel, h245, complete (fast, with an element of one octet)
    h323_peer.py gatekeeper HOST           calls the first endpoint that registers
    h323_peer.py endpoint HOST             registers there and answers calls

Runs in a namespace, with the tests' messages in PYTHONPATH; one line of output for each thing that happened. Both ends
of a call send RTP and RTCP to the addresses that they have read until they have heard the other end.
"""

from __future__ import annotations

import socket
import sys
import time
from contextlib import suppress
from typing import Any

import h323_messages as h323
from fwhelpers_plugins.h323.addresses import h225_address, h245_address
from fwhelpers_plugins.h323.h225_types import H323UserInformation, RasMessage
from fwhelpers_plugins.h323.h245_types import MultimediaSystemControlMessage, OpenLogicalChannel
from fwhelpers_plugins.h323.q931 import HEADER, parse

from fwhelpers.api import Endpoint
from fwhelpers.sansio.per import decode

PATIENCE = 60
TALK = 30  #: seconds without the other end's media, after which it is missing
RTP = 15000  #: caller's and callee's port; RTCP is the next one
H245 = 15100
CALLS, RAS = 1720, 1719


def say(*words: object) -> None:
    print(*words, flush=True)


def family_of(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def own(connection: socket.socket, port: int) -> Endpoint:
    return Endpoint.parse(connection.getsockname()[0], port)


def serve(host: str, port: int) -> socket.socket:
    listener = socket.create_server((host, port), family=family_of(host))
    listener.settimeout(PATIENCE)
    return listener


def dial(end: Endpoint) -> socket.socket:
    return socket.create_connection((end.host, end.port), PATIENCE)


def receive(connection: socket.socket) -> bytes:
    """Return the next TPKT packet."""
    data = b""
    while len(data) < HEADER or len(data) < int.from_bytes(data[2:HEADER], "big"):
        size = int.from_bytes(data[2:HEADER], "big") if len(data) >= HEADER else HEADER
        piece = connection.recv(size - len(data))
        if not piece:
            raise ConnectionError("closed")
        data += piece
    return data


def signal(connection: socket.socket) -> tuple[bytes, Any]:
    """Return the next message of call signalling, and its H323-UU-PDU."""
    data = receive(connection)
    message = parse(data)
    assert message.user_user is not None
    return data, decode(H323UserInformation, data, *message.user_user)["h323_uu_pdu"]


class Media:
    """Sockets for RTP and RTCP, and the addresses of the other end."""

    def __init__(self, end: Endpoint) -> None:
        self.rtp, self.rtcp = end.at(RTP), end.at(RTP + 1)
        self.targets: dict[str, Endpoint] = {}
        self._sockets = {}
        for name, here in (("rtp", self.rtp), ("rtcp", self.rtcp)):
            self._sockets[name] = socket.socket(family_of(here.host), socket.SOCK_DGRAM)
            self._sockets[name].bind((here.host, here.port))
            self._sockets[name].settimeout(0.2)

    def read(self, data: bytes, fields: Any) -> None:
        """Take the addresses of the parameters of a channel."""
        for name, key in (("rtp", "mediaChannel"), ("rtcp", "mediaControlChannel")):
            address = h245_address(data, fields.get(key))
            if address is not None:
                self.targets[name] = address.endpoint

    def talk(self) -> None:
        """Send until both were heard, and some more for the other end."""
        say("targets", *(f"{name} {end}" for name, end in sorted(self.targets.items())))
        heard: set[str] = set()
        more, deadline = 3, time.monotonic() + TALK
        while more and time.monotonic() < deadline:
            for name, end in self.targets.items():
                self._sockets[name].sendto(name.encode(), (end.host, end.port))
            for name, sock in self._sockets.items():
                with suppress(TimeoutError, ConnectionRefusedError):
                    data, source = sock.recvfrom(100)
                    if name not in heard:
                        say("heard", data.decode(), "from", source[0])
                    heard.add(name)
            more -= heard == {"rtp", "rtcp"}
        say("media", "complete" if heard == {"rtp", "rtcp"} else "missing")


# channels


def channels(transport: Transport, media: Media) -> None:
    """Open a channel, and acknowledge the other end's."""
    transport.send(h323.open_channel(1, None, media.rtcp))
    pending = {"openLogicalChannel", "openLogicalChannelAck"}
    while pending:
        data, (name, value) = transport.next()
        pending.discard(name)
        if name == "openLogicalChannel":
            forward = value["forwardLogicalChannelParameters"]["multiplexParameters"]
            media.read(data, forward[1])
            transport.send(h323.acknowledge(1, media.rtp, media.rtcp))
        elif name == "openLogicalChannelAck":
            media.read(data, value["forwardMultiplexAckParameters"][1])


class Transport:
    """H.245 on a connection of its own."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def send(self, message: bytes) -> None:
        self.connection.sendall(h323.tpkt(message))

    def next(self) -> tuple[bytes, Any]:
        data = receive(self.connection)
        return data, decode(MultimediaSystemControlMessage, data, HEADER)[1]


class Tunnel(Transport):
    """H.245 within call signalling."""

    def __init__(self, connection: socket.socket, answers: bool) -> None:
        super().__init__(connection)
        self._answers = answers

    def send(self, message: bytes) -> None:
        self.connection.sendall(h323.facility(answers=self._answers, pdu=h323.tunnel(message)))

    def next(self) -> tuple[bytes, Any]:
        data, pdu = signal(self.connection)
        ((start, end),) = pdu["h245Control"]
        return data, decode(MultimediaSystemControlMessage, data, start, end)[1]


def read_proposals(data: bytes, body: Any, media: Media) -> None:
    for start, end in body.get("fastStart", ()):
        value = decode(OpenLogicalChannel, data, start, end)
        for name in ("forwardLogicalChannelParameters", "reverseLogicalChannelParameters"):
            parameters = value.get(name, {}).get("multiplexParameters")
            if parameters:
                media.read(data, parameters[1])


# roles


def caller(host: str, mode: str, port: int = CALLS) -> None:
    with dial(Endpoint.parse(host, port)) as connection:
        media = Media(own(connection, 0))
        fields = {"destCallSignalAddress": h323.h225(Endpoint.parse(host, port))}
        if mode in ("fast", "complete"):
            fields["fastStart"] = h323.fast(
                h323.channel(1, None, media.rtcp), h323.reverse_channel(2, media.rtp, media.rtcp)
            )
        message = h323.setup(**fields)
        connection.sendall(h323.sending_complete(message) if mode == "complete" else message)
        data, pdu = signal(connection)
        body = pdu["h323_message_body"][1]
        read_proposals(data, body, media)
        if mode == "h245":
            address = h225_address(data, body["h245Address"])
            assert address is not None
            say("h245", address.endpoint)
            control = dial(address.endpoint)
            channels(Transport(control), media)
        elif mode == "tunnel":
            channels(Tunnel(connection, answers=False), media)
        media.talk()
        receive(connection)  # the callee has heard everything, and releases the call
        say("released")
        time.sleep(1)


def answer(connection: socket.socket, mode: str) -> None:
    media = Media(own(connection, 0))
    data, pdu = signal(connection)
    body = pdu["h323_message_body"][1]
    called = h225_address(data, body["destCallSignalAddress"])
    say("called", called.endpoint if called else "nobody")
    fields: dict[str, Any] = {}
    if mode in ("fast", "complete"):
        read_proposals(data, body, media)
        fields["fastStart"] = h323.fast(h323.channel(1, media.rtp, media.rtcp))
    if mode == "h245":
        listener = serve(media.rtp.host, H245)
        fields["h245Address"] = h323.h225(own(connection, H245))
    connection.sendall(h323.connect(**fields))
    transport: Transport | None = None
    if mode == "h245":
        control, _ = listener.accept()
        transport = Transport(control)
    elif mode == "tunnel":
        transport = Tunnel(connection, answers=True)
    if transport is not None:
        channels(transport, media)
    media.talk()
    time.sleep(2)
    if (
        mode == "h245" and transport is not None
    ):  # without it the ports stay open as long as the connection's entry
        transport.send(h323.END_SESSION)
    connection.sendall(h323.release(answers=True))
    say("released")
    with suppress(OSError):
        connection.recv(1)


def callee(host: str, mode: str) -> None:
    with serve(host, CALLS) as listener:
        say("listening")
        connection, _ = listener.accept()
        with connection:
            answer(connection, mode)


def gatekeeper(host: str) -> None:
    with socket.socket(family_of(host), socket.SOCK_DGRAM) as sock:
        sock.bind((host, RAS))
        say("listening")
        data, source = sock.recvfrom(2000)
        name, value = decode(RasMessage, data)
        assert name == "registrationRequest"
        address = h225_address(data, value["callSignalAddress"][0])
        assert address is not None
        say("registered", address.endpoint)
        sock.sendto(h323.rcf(value["requestSeqNum"], timeToLive=120), source)
        time.sleep(1)
        caller(address.endpoint.host, "fast", address.endpoint.port)


def endpoint(host: str) -> None:
    with socket.socket(family_of(host), socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE)
        sock.connect((host, RAS))
        here = own(sock, CALLS)
        with serve(here.host, CALLS) as listener:
            sock.send(h323.rrq([here]))
            say("answer", decode(RasMessage, sock.recv(2000))[0])
            connection, _ = listener.accept()
            with connection:
                answer(connection, "fast")


if __name__ == "__main__":
    role, *arguments = sys.argv[1:]
    roles: dict[str, Any] = {
        "caller": caller, "callee": callee, "gatekeeper": gatekeeper, "endpoint": endpoint,
    }  # fmt: skip
    roles[role](*arguments)
