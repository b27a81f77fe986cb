"""A UPnP control point and a device, as plain as can be.

Runs in a namespace as `python upnp_peer.py ROLE …`, one line of output for each thing that happened.
"""

from __future__ import annotations

import re
import socket
import struct
import sys
import threading
import time
from pathlib import Path

GROUP = ("239.255.255.250", 1900)
COMMANDS = ("127.0.0.1", 49000)
SEARCH = (
    b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n"
    b'MAN: "ssdp:discover"\r\nMX: 1\r\nST: upnp:rootdevice\r\n\r\n'
)


def say(*words: object) -> None:
    print(*words, flush=True)


def fetched(address: tuple[str, int], request: bytes, seconds: float = 20) -> bytes:
    """One request by a connection of its own; what came back, empty if nothing could."""
    try:
        with socket.create_connection(address, timeout=seconds) as sock:
            sock.sendall(request)
            response = b""
            while piece := sock.recv(65536):
                response += piece
            return response
    except OSError as error:
        say("failed", error)
        return b""


def request(line: str, host: str, *fields: str) -> bytes:
    return "\r\n".join(
        (f"{line} HTTP/1.1", f"HOST: {host}", "Connection: close", *fields, "", "")
    ).encode()


def located(seconds: str, searches: int = 1) -> tuple[str, int, str] | None:
    """Search, several times without pause, and take the first place that is named."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(float(seconds))
        for _ in range(searches):
            sock.sendto(SEARCH, GROUP)
        try:
            while True:
                location = place(sock.recvfrom(9000)[0])
                if location:
                    return location
        except TimeoutError:
            say("silence")
            return None


def search(seconds: str, searches: str) -> None:
    """Search from a new socket, several times without pause, as miniupnpc does."""
    place = located(seconds, int(searches))
    if place is not None:
        say("located", *place)


def place(data: bytes) -> tuple[str, int, str] | None:
    match = re.search(rb"(?im)^LOCATION:\s*http://([0-9.]+):([0-9]+)(\S*)", data)
    return (match[1].decode(), int(match[2]), match[3].decode()) if match else None


def listener(callback: str) -> socket.socket:
    """Where events go to; tells what comes."""
    sock = socket.create_server(("", int(callback)))

    def serve() -> None:
        while True:
            conn, peer = sock.accept()
            say("connected", peer[0])
            with conn:
                conn.settimeout(20)
                head = b""
                while b"\r\n\r\n" not in head and (piece := conn.recv(65536)):
                    head += piece
                say("event", peer[0], head.split(b"\r\n")[0].decode())
                conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    threading.Thread(target=serve, daemon=True).start()
    return sock


def subscribe(host: str, port: str, path: str, own: str, callback: str, *gates: str) -> None:
    """Subscribe, renew when the first gate (a file) is made, unsubscribe at the second, end at the third."""
    listener(callback)
    device = f"{host}:{port}"
    device_address = (host, int(port))
    response = fetched(
        device_address,
        request(
            f"SUBSCRIBE {path}", device, f"CALLBACK: <http://{own}:{callback}/>", "NT: upnp:event",
            "TIMEOUT: Second-300",
        ),
    )  # fmt: skip
    match = re.search(rb"(?im)^SID:\s*(\S+)", response)
    if not match:
        say("refused", response[:40])
        return
    say("subscribed")
    sid = match[1].decode()
    steps = (f"SUBSCRIBE {path}", f"UNSUBSCRIBE {path}")
    for gate, step in zip(gates, (*steps, ""), strict=False):
        while not Path(gate).exists():
            time.sleep(0.05)
        if step:
            fields = [f"SID: {sid}", *(["TIMEOUT: Second-300"] if step[0] == "S" else [])]
            done = fetched(device_address, request(step, device, *fields))
            say(step.split()[0].lower(), done.split(b"\r\n")[0].decode())
    say("end")


def control(own: str, callback: str, seconds: str, path: str, *gates: str) -> None:
    """A control point: search, fetch the description, subscribe to `path`."""
    location = located(seconds)
    if location is None:
        return
    host, port, description = location
    say("located", host, port)
    response = fetched((host, port), request(f"GET {description}", f"{host}:{port}"))
    say("description", b"200 OK" in response[:40] and b"<root" in response)
    if response:
        subscribe(host, str(port), path, own, callback, *gates)


def device(port: str, *urls: str) -> None:
    """A device that announces itself (each of `urls`), accepts subscriptions, and sends an event when told (`tell`).

    As some routers do it sends its first event before it answers, and waits until that has been taken.
    """
    subscribers: dict[str, tuple[str, int]] = {}
    server = socket.create_server(("", int(port)))
    say("listening")

    def event() -> None:
        for sid, device_address in list(subscribers.items()):
            response = fetched(
                device_address, request("NOTIFY /", "x", f"SID: {sid}", "Content-Length: 0"), 10
            )
            say("sent" if response else "unsent", *device_address)

    def commands() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(COMMANDS)
            while True:
                word = sock.recv(100).decode()
                kind, _, seconds = word.partition(" ")
                event() if kind == "event" else announce(kind, *urls, seconds=seconds or "1800")

    threading.Thread(target=commands, daemon=True).start()
    while True:
        conn, peer = server.accept()
        with conn:
            head = conn.recv(65536).decode()
            say("asked", peer[0], head.split("\r\n")[0])
            sid = f"uuid:{len(subscribers) + 1}"
            callback = re.search(r"(?i)CALLBACK: <http://([0-9.]+):([0-9]+)/>", head)
            sid_field = re.search(r"(?i)\nSID: (\S+)", head)
            if head.startswith("SUBSCRIBE") and callback:
                say("callback", callback[1], callback[2])
                subscribers[sid] = (callback[1], int(callback[2]))
                event()
            body = b"<root/>"
            fields = f"SID: {sid_field[1] if sid_field else sid}\r\nTIMEOUT: Second-300\r\n"
            conn.sendall(
                f"HTTP/1.1 200 OK\r\n{fields}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
                + body
            )


def announce(kind: str, *urls: str, seconds: str, source: str = "") -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        if source:
            sock.bind((source, 0))
            index = socket.if_nametoindex("eth0")
            request = struct.pack("4s4si", bytes(4), bytes(4), index)  # struct ip_mreqn
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, request)
        for url in urls:
            text = (
                f"NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n"
                f"CACHE-CONTROL: max-age={seconds}\r\nLOCATION: {url}\r\n"
                f"NT: upnp:rootdevice\r\nNTS: ssdp:{kind}\r\nUSN: uuid:1::upnp:rootdevice\r\n\r\n"
            )
            sock.sendto(text.encode(), GROUP)
    say("announced", kind)


def forge(source: str, url: str) -> None:
    """Announce a device with a source address that is not of this link."""
    announce("alive", url, seconds="1800", source=source)


def command(word: str) -> None:
    """Send the device of this host a command: "event", or what to announce, and for how many seconds."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(word.encode(), COMMANDS)


def connect(host: str, port: str) -> None:
    """Is it open?"""
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
        say("connected")
    except OSError as error:
        say("failed", error)


if __name__ == "__main__":
    roles = {f.__name__: f for f in (control, search, subscribe, device, command, connect, forge)}
    roles[sys.argv[1]](*sys.argv[2:])
