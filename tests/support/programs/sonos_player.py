"""A Sonos player, as far as its controllers ask: found by a search, names its group, sends volumes as events.

Runs in a namespace as `python sonos_player.py ADDRESS`, one line of output for each thing that happened.
"""

from __future__ import annotations

import http.client
import re
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import ClassVar
from urllib.parse import urlsplit

PORT = 1400
GROUP = ("239.255.255.250", 1900)
DEVICE = "urn:schemas-upnp-org:device:ZonePlayer:1"
IDENTITY = "RINCON_000E5800000001400"
#: the longest that a player grants
TIMEOUT = "Second-86400"

_ANSWER = (
    "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age = 1800\r\nEXT:\r\n"
    "LOCATION: http://{address}:1400/xml/device_description.xml\r\n"
    "SERVER: Linux UPnP/1.0 Sonos/26.1-76230 (ZPS3)\r\n"
    f"ST: {DEVICE}\r\nUSN: uuid:{IDENTITY}::{DEVICE}\r\nX-RINCON-BOOTSEQ: 3\r\n\r\n"
)
#: of a service: what it is asked, and the only result
_DESCRIPTION = (
    '<scpd xmlns="urn:schemas-upnp-org:service-1-0"><serviceStateTable><stateVariable>'
    "<name>State</name><dataType>string</dataType></stateVariable></serviceStateTable><actionList>"
    "<action><name>{action}</name><argumentList><argument><name>{result}</name>"
    "<direction>out</direction><relatedStateVariable>State</relatedStateVariable></argument>"
    "</argumentList></action></actionList></scpd>"
)
_SERVICES = {
    "DeviceProperties": ("GetHouseholdID", "CurrentHouseholdID"),
    "ZoneGroupTopology": ("GetZoneGroupState", "ZoneGroupState"),
    "RenderingControl": ("SetVolume", ""),
}
_STATE = (
    f'<ZoneGroupState><ZoneGroups><ZoneGroup Coordinator="{IDENTITY}" ID="{IDENTITY}:1">'
    f'<ZoneGroupMember UUID="{IDENTITY}" ZoneName="Kitchen"'
    ' Location="http://{address}:1400/xml/device_description.xml"/>'
    "</ZoneGroup></ZoneGroups></ZoneGroupState>"
)
_RESULT = (
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
    '<u:{action}Response xmlns:u="urn:schemas-upnp-org:service:{service}:1">'
    "{result}</u:{action}Response></s:Body></s:Envelope>"
)
_CHANGE = (
    '<Event xmlns="urn:schemas-upnp-org:metadata-1-0/RCS/"><InstanceID val="0">'
    '<Volume channel="Master" val="{}"/><Volume channel="LF" val="100"/>'
    '<Volume channel="RF" val="100"/></InstanceID></Event>'
)
_EVENT = (
    '<e:propertyset xmlns:e="urn:schemas-upnp-org:event-1-0"><e:property>'
    "<LastChange>{}</LastChange></e:property></e:propertyset>"
)


@dataclass
class Subscription:
    path: str
    host: str
    callback: str
    sequence: Iterator[int] = field(default_factory=count)


_numbers = count(1)


def say(*words: object) -> None:
    print(*words, flush=True)


class Player(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    address = ""
    volume = 10
    #: by SID: the service, its subscriber and the number of its next event
    subscriptions: ClassVar[dict[str, Subscription]] = {}

    def log_message(self, *_: object) -> None:
        pass

    def _respond(self, body: str = "", **fields: str) -> None:
        self.send_response(200)
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def _service(self) -> tuple[str, str, str]:
        service = next(name for name in _SERVICES if name in self.path)
        return (service, *_SERVICES[service])

    def do_GET(self) -> None:
        _, action, result = self._service()
        self._respond(_DESCRIPTION.format(action=action, result=result))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        service, action, name = self._service()
        topology = service == "ZoneGroupTopology"
        value = escape(_STATE.format(address=self.address)) if topology else "Sonos_1"
        result = f"<{name}>{value}</{name}>" if name else ""
        self._respond(_RESULT.format(service=service, action=action, result=result))
        volume = re.search(r"<DesiredVolume>(\d+)<", body)
        if volume:
            send_volumes(int(volume[1]))

    def do_SUBSCRIBE(self) -> None:
        sid = self.headers["SID"]
        say("renewed" if sid else "subscribed", self.client_address[0])
        if sid:
            self._respond(SID=sid, TIMEOUT=TIMEOUT)
            return
        sid = f"uuid:{IDENTITY}_sub{next(_numbers):010}"
        callback = urlsplit(self.headers["Callback"].strip("<>"))
        self.subscriptions[sid] = Subscription(self.path, callback.netloc, callback.path or "/")
        self._respond(SID=sid, TIMEOUT=TIMEOUT)
        if "RenderingControl" in self.path and "Group" not in self.path:
            send_volumes(self.volume, self.volume + 1)

    def do_UNSUBSCRIBE(self) -> None:
        self.subscriptions.pop(self.headers["SID"])
        self._respond()
        say("unsubscribed")


def send_volumes(*volumes: int) -> None:
    """Send events to the subscribers of the volume, each by a connection of its own."""
    for sid, subscription in list(Player.subscriptions.items()):
        if subscription.path == "/MediaRenderer/RenderingControl/Event":
            threading.Thread(target=notify, args=(sid, subscription, volumes)).start()


def notify(sid: str, subscription: Subscription, volumes: tuple[int, ...]) -> None:
    for volume in volumes:
        body = _EVENT.format(escape(_CHANGE.format(volume)))
        fields = {
            "NT": "upnp:event",
            "NTS": "upnp:propchange",
            "SID": sid,
            "SEQ": str(next(subscription.sequence)),
        }
        connection = http.client.HTTPConnection(subscription.host, timeout=30)
        try:
            connection.request("NOTIFY", subscription.callback, body, fields)
            say("event", connection.getresponse().status)
        except OSError as error:
            say("failed", error)
        finally:
            connection.close()


def answer_searches(address: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("", GROUP[1]))
        member = socket.inet_aton(GROUP[0]) + socket.inet_aton(address)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        say("listening")
        while True:
            request, asker = sock.recvfrom(2000)
            if DEVICE.encode() in request:
                sock.sendto(_ANSWER.format(address=address).encode(), asker)


def main(address: str) -> None:
    Player.address = address
    server = ThreadingHTTPServer(("", PORT), Player)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    answer_searches(address)


if __name__ == "__main__":
    main(sys.argv[1])
