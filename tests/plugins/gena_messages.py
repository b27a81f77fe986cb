"""What control points and devices say: GENA and SSDP."""

from __future__ import annotations

SID = b"uuid:6f6d7f8e-1dd2-11b2-8f34-a2d4e9d3f1c0"


def head(first: bytes, **fields: bytes) -> bytes:
    lines = [name.replace("_", "-").encode() + b": " + value for name, value in fields.items()]
    return b"\r\n".join((first, *lines, b"", b""))


def subscribe(callback: bytes = b"<http://10.0.1.2:49200/>", **more: bytes) -> bytes:
    fields = {
        "HOST": b"10.0.2.2:49152",
        "CALLBACK": callback,
        "NT": b"upnp:event",
        "TIMEOUT": b"Second-1800",
    }
    return head(b"SUBSCRIBE /events HTTP/1.1", **(fields | more))


def renew(sid: bytes = SID, **more: bytes) -> bytes:
    return head(b"SUBSCRIBE /events HTTP/1.1", SID=sid, TIMEOUT=b"Second-1800", **more)


def unsubscribe(sid: bytes = SID) -> bytes:
    return head(b"UNSUBSCRIBE /events HTTP/1.1", HOST=b"10.0.2.2:49152", SID=sid)


def accepted(timeout: bytes = b"Second-1800", sid: bytes = SID, **more: bytes) -> bytes:
    return head(b"HTTP/1.1 200 OK", SID=sid, TIMEOUT=timeout, CONTENT_LENGTH=b"0", **more)


OK = head(b"HTTP/1.1 200 OK", CONTENT_LENGTH=b"0")
NO = head(b"HTTP/1.1 412 Precondition Failed", CONTENT_LENGTH=b"0")
GET = head(b"GET /description.xml HTTP/1.1", HOST=b"10.0.2.2:49152")
DESCRIPTION = head(b"HTTP/1.1 200 OK", CONTENT_LENGTH=b"20") + b"<root>SUBSCRIBE / ..."[:20]
CHUNKS = head(b"HTTP/1.1 200 OK", TRANSFER_ENCODING=b"chunked") + b"4\r\nabcd\r\n0\r\n\r\n"

LOCATION = b"http://10.0.1.7:49152/description.xml"


def answer(location: bytes = LOCATION, age: bytes = b"max-age=1800") -> bytes:
    return head(
        b"HTTP/1.1 200 OK",
        CACHE_CONTROL=age,
        EXT=b"",
        LOCATION=location,
        ST=b"upnp:rootdevice",
        USN=b"uuid:1::upnp:rootdevice",
    )


def notify(location: bytes = LOCATION, kind: bytes = b"ssdp:alive") -> bytes:
    return head(
        b"NOTIFY * HTTP/1.1",
        HOST=b"239.255.255.250:1900",
        CACHE_CONTROL=b"max-age=1800",
        LOCATION=location,
        NT=b"upnp:rootdevice",
        NTS=kind,
        USN=b"uuid:1::upnp:rootdevice",
    )


SEARCH = head(
    b"M-SEARCH * HTTP/1.1",
    HOST=b"239.255.255.250:1900",
    MAN=b'"ssdp:discover"',
    MX=b"3",
    ST=b"upnp:rootdevice",
)
