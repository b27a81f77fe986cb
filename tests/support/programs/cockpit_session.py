"""A session of Cockpit without a browser: logs in, loads the page, asks the service as its script does.

cockpit_session.py ADDRESS USER PASSWORD

Prints a JSON line, [NAME, VALUE], for each answer. After each signal of the service it asks for the
expectations again, until it is killed. The messages are those of Cockpit's doc/protocol.md.
"""

from __future__ import annotations

import base64
import json
import sys
import urllib.error
import urllib.request
from typing import Any

import websocket

from fwhelpers.dbus import names

TIMEOUT = 180  #: seconds; emulation on a loaded machine is slow
FILES = ("manifests.json", "fwhelpers/index.html", "fwhelpers/fwhelpers.js")
BUS = "bus"  #: the channel's name

#: what the page asks, in this order: name of the answer, interface, method, signature, arguments
CALLS: tuple[tuple[str, str, str, str, list[Any]], ...] = (
    ("helpers", names.MANAGER, "ListHelpers", "", []),
    ("expectations", names.EXPECTATIONS, "List", "a{sv}", [{}]),
    ("enable", names.MANAGER, "EnableHelper", "sa{sv}", ["rpc", {}]),
)


def show(name: str, value: Any) -> None:
    print(json.dumps([name, value]), flush=True)


def fetch(address: str, path: str, **headers: str) -> tuple[str, str]:
    """Return the body and the cookie of a reply. Raises HTTPError."""
    request = urllib.request.Request(f"http://{address}/cockpit/{path}", headers=headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT) as reply:
        return reply.read().decode(), reply.headers.get("Set-Cookie", "").partition(";")[0]


def log_in(address: str, user: str, password: str) -> str:
    """Return the session's cookie. Raises HTTPError, 401 for a wrong password."""
    credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
    return fetch(address, "login", Authorization=f"Basic {credentials}")[1]


class Session:
    """The WebSocket of a session, with a channel to the system bus."""

    def __init__(self, address: str, cookie: str) -> None:
        self._socket = websocket.create_connection(
            f"ws://{address}/cockpit/socket",
            TIMEOUT,
            subprotocols=["cockpit1"],
            cookie=cookie,
            origin=f"http://{address}",
        )
        self._send("", command="init", version=1, host="localhost", superuser=False)
        self._send("", command="open", channel=BUS, payload="dbus-json3", bus="system")

    def _send(self, channel: str, /, **message: Any) -> None:
        self._socket.send(f"{channel}\n{json.dumps(message)}")

    def receive(self) -> dict[str, Any]:
        """Return the bus's next message. Raises ConnectionError if the bridge closes the channel."""
        while True:
            channel, _, text = self._socket.recv().partition("\n")
            message: dict[str, Any] = json.loads(text)
            if channel == BUS:
                return message
            if message["command"] == "ping":
                self._send("", **{**message, "command": "pong"})
            elif message["command"] == "close":
                raise ConnectionError(text)

    def subscribe(self) -> None:
        self._send(BUS, **{"add-match": {"name": names.NAME, "path": names.PATH}})

    def call(self, name: str, interface: str, member: str, signature: str, body: list[Any]) -> None:
        """Send a call; its reply has the id `name`."""
        arguments = [names.PATH, interface, member, body]
        self._send(BUS, call=arguments, name=names.NAME, type=signature, id=name)


def follow(session: Session) -> None:
    """Ask, show answers, and ask again for the expectations after each signal."""
    session.subscribe()
    for call in CALLS:
        session.call(*call)
    while True:
        message = session.receive()
        if "signal" in message:
            session.call(*CALLS[1])
        elif "id" in message:
            show(message["id"], message.get("reply") or message["error"])


def main(address: str, user: str, password: str) -> None:
    try:
        cookie = log_in(address, user, password)
    except urllib.error.HTTPError as error:
        show("login", error.code)
        return
    show("login", 200)
    for file in FILES:
        show(file, fetch(address, f"@localhost/{file}", Cookie=cookie)[0])
    follow(Session(address, cookie))


if __name__ == "__main__":
    main(*sys.argv[1:])
