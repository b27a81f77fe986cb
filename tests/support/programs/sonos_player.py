"""A Sonos player, as far as its controllers ask: found by a search, names its group, sends volumes as events.

Runs in a namespace as `python sonos_player.py ADDRESS`, one line of output for each thing that happened.
"""

from __future__ import annotations

import http.client
import socket
import sys
import threading
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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
    "<{result}>{value}</{result}></u:{action}Response></s:Body></s:Envelope>"
)
_CHANGE = (
    '<Event xmlns="urn:schemas-upnp-org:metadata-1-0/RCS/"><InstanceID val="0">'
    '<Volume channel="Master" val="{}"/></InstanceID></Event>'
)
_EVENT = (
    '<e:propertyset xmlns:e="urn:schemas-upnp-org:event-1-0"><e:property>'
    "<LastChange>{}</LastChange></e:property></e:propertyset>"
)


def say(*words: object) -> None:
    print(*words, flush=True)


class Player(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    address = ""
    volume = 10

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
        self.rfile.read(int(self.headers["Content-Length"]))
        service, action, result = self._service()
        topology = service == "ZoneGroupTopology"
        value = escape(_STATE.format(address=self.address)) if topology else "Sonos_1"
        self._respond(_RESULT.format(service=service, action=action, result=result, value=value))

    def do_SUBSCRIBE(self) -> None:
        renewed = self.headers["SID"]
        say("renewed" if renewed else "subscribed", self.client_address[0])
        self._respond(SID=renewed or f"uuid:{IDENTITY}_sub1", TIMEOUT=TIMEOUT)
        if not renewed:
            callback = urlsplit(self.headers["Callback"].strip("<>"))
            threading.Thread(target=notify, args=(callback.netloc, callback.path or "/")).start()

    def do_UNSUBSCRIBE(self) -> None:
        self._respond()
        say("unsubscribed")


def notify(host: str, path: str) -> None:
    """Send two events, each by a connection of its own."""
    for sequence in range(2):
        body = _EVENT.format(escape(_CHANGE.format(Player.volume + sequence)))
        fields = {
            "NT": "upnp:event",
            "NTS": "upnp:propchange",
            "SID": f"uuid:{IDENTITY}_sub1",
            "SEQ": str(sequence),
        }
        connection = http.client.HTTPConnection(host, timeout=30)
        try:
            connection.request("NOTIFY", path, body, fields)
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
