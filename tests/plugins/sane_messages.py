"""Messages of SANE's network protocol, as saned and scanimage write them."""

from __future__ import annotations

from struct import pack


def word(*values: int) -> bytes:
    return pack(f"!{len(values)}I", *values)


def string(text: bytes | None = None) -> bytes:
    return word(0) if text is None else word(len(text) + 1) + text + b"\0"


def array(*elements: bytes) -> bytes:
    return word(len(elements)) + b"".join(elements)


def pointer(value: bytes | None = None) -> bytes:
    return word(1) if value is None else word(0) + value


def option(constraint: bytes = word(0)) -> bytes:
    return string(b"mode") + string(b"Scan mode") + string(b"") + word(3, 0, 5, 5) + constraint


RANGE = word(1) + pointer(word(0, 100, 1))
WORD_LIST = word(2) + array(word(2), word(75), word(150))
STRING_LIST = word(3) + array(string(b"Gray"), string(b"Color"), string())

INIT = word(0, 0x01000003) + string(b"user")
GET_DEVICES = word(1)
OPEN = word(2) + string(b"test")
CLOSE = word(3, 0)
OPTIONS = word(4, 0)
GET_PARAMETERS = word(6, 0)
START = word(7, 0)
CANCEL = word(8, 0)
AUTHORIZE = word(9) + string(b"net:test") + string(b"me") + string(b"$MD5$x")
EXIT = word(10)
SET_GAMMA = word(5, 0, 9, 1, 1, 16) + array(*[word(7)] * 4)
SET_MODE = word(5, 0, 2, 1, 3, 5) + word(5) + b"Gray\0"
SET_AUTO = word(5, 0, 2, 2)
PRESS = word(5, 0, 3, 1, 4, 0) + word(0)


def init_reply(version: int = 3) -> bytes:
    return word(0, 0x01000000 | version)


DEVICES_REPLY = word(0) + array(
    pointer(b"".join(map(string, (b"test", b"Noname", b"x", b"v")))), pointer()
)


def open_reply(resource: bytes | None = b"") -> bytes:
    return word(0, 0) + string(resource)


DUMMY = word(0)
OPTIONS_REPLY = array(
    *(pointer(option(c)) for c in (word(0), RANGE, WORD_LIST, STRING_LIST)), pointer()
)
PARAMETERS_REPLY = word(0, 1, 1, 100, 100, 50, 8)


def control_reply(resource: bytes | None = b"") -> bytes:
    return word(0, 1, 3, 5) + word(5) + b"Gray\0" + string(resource)


def started(
    port: int = 45000, status: int = 0, order: int = 0x1234, resource: bytes | None = b""
) -> bytes:
    return word(status, port, order) + string(resource)


#: all that may come before START, and its replies
SESSION = [
    (INIT, init_reply()), (GET_DEVICES, DEVICES_REPLY), (OPEN, open_reply()), (OPTIONS, OPTIONS_REPLY),
    (SET_GAMMA, control_reply()), (SET_MODE, control_reply()), (SET_AUTO, control_reply()), (PRESS, control_reply()),
    (GET_PARAMETERS, PARAMETERS_REPLY),
]  # fmt: skip
