"""rsh and rexec (BSD's rcmd and rexec): the server connects back to the client for the program's standard error.

    client                                server
      1011 \\0                          →
                                        ←   connects to the client's port 1011
      user \\0 user \\0 command \\0       →
                                        ←   \\0, then the program's output

Everything that opens a port is in the first bytes of the client, up to a NUL. An empty number and 0 announce none.

rcmd(3) and rshd(8): both ends of the second connection use privileged ports from 512 to 1023 (rresvport(3)). rexec(3)
and rexecd(8): any ports. Neither has an RFC.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from fwhelpers.api import (
    Done,
    Endpoint,
    Event,
    Expect,
    Flow,
    Helper,
    ParseError,
    Policy,
    Refuse,
    Setting,
    StreamParser,
    hookimpl,
)
from fwhelpers.sansio.digits import decimal

#: the ports of rresvport(3); all have the same upper seven bits
RESERVED = range(512, 1024)
RESERVED_MASK = 0xFE00

_DIGITS = b"0123456789"
_LONGEST = 5  # digits
_HINT = "port {} is privileged; privileged = true in [helpers.rsh] allows ports 512 to 1023"


class Rexec(StreamParser):
    """Parser of the client's first bytes. Whatever follows them belongs to the program."""

    max_message: ClassVar[int] = _LONGEST + 1

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        self._ended = False

    def feed(self, data: bytes, reply: bool) -> Iterator[Event]:
        return iter(()) if reply or self._ended else super().feed(data, reply)

    def message_size(self, data: bytearray, reply: bool) -> int:
        if self._ended:
            return len(data)
        size = data.find(0, 0, _LONGEST + 1) + 1
        digits = data[: size - 1] if size else data
        if len(digits) > _LONGEST or digits.strip(_DIGITS):
            raise ParseError(f"no port number: {bytes(digits[:16])!r}")
        return size

    def message(self, data: bytes, reply: bool) -> Iterable[Event]:
        if self._ended:
            return
        self._ended = True
        port = decimal(data[:-1] or b"0", 99999)
        if port:
            yield self._announced(port, (0, len(data) - 1))
        yield Done("the rest belongs to the program")

    def _announced(self, port: int, span: tuple[int, int]) -> Event:
        return Expect(
            self.flow.server, self.flow.client.at(port), span=span, encode=_encode, fit=_fit,
            trigger="stderr",
        )  # fmt: skip

    def resync(self, reply: bool) -> bool:
        return reply  # the server's bytes are not read

    def save(self) -> bytes:
        return b"\1" if self._ended else b""

    def restore(self, state: bytes) -> None:
        if state not in (b"", b"\1"):
            raise ParseError("invalid stored state")
        self._ended = bool(state)


class Rsh(Rexec):
    """The same with privileged ports at both ends (safety rule G6: by setting alone)."""

    def _announced(self, port: int, span: tuple[int, int]) -> Event:
        client = self.flow.client
        if port not in RESERVED:
            return Refuse("G6", f"port {port} is not from 512 to 1023", client.at(port))
        if not self.settings.get("privileged", False):
            return Refuse("G6", _HINT.format(port), client.at(port))
        return Expect(
            self.flow.server, client.at(port), span=span, encode=_encode, fit=_fit,
            sport=RESERVED.start, sport_mask=RESERVED_MASK, trigger="stderr",
        )  # fmt: skip


def _encode(endpoint: Endpoint) -> bytes:
    return b"%d" % endpoint.port


def _fit(endpoint: Endpoint, size: int) -> bytes | None:
    # both servers read digits up to the NUL (rshd.c, doit())
    text = _encode(endpoint).rjust(size, b"0")
    return text if len(text) == size <= _LONGEST else None


_PRIVILEGED = Setting(
    "privileged", False, "open the privileged ports 512 to 1023 that clients announce for stderr"
)


@hookimpl
def fwhelpers_helpers() -> list[Helper]:
    return [
        Helper(
            "rsh",
            "tcp",
            ports=[514],
            parser=Rsh,
            # the server connects before it starts the program
            policies=[Policy("stderr", max=1, timeout=30, min_port=RESERVED.start)],
            settings=[_PRIVILEGED],
            spec="rcmd(3), rshd(8)",
            doc="rsh: standard error of remote programs; needs privileged = true",
            client_announces=True,
        ),
        Helper(
            "rexec",
            "tcp",
            ports=[512],
            parser=Rexec,
            policies=[Policy("stderr", max=1, timeout=30)],
            spec="rexec(3), rexecd(8)",
            doc="rexec: standard error of remote programs",
            client_announces=True,
        ),
    ]
