"""The lines that two gateways exchange, and the processes of one of them: a JSON object each. Pure.

    hello                      first on each connection: version and format
    begin, live ..., complete  all live expectations; then changes:
    live, ended                created or renewed; used, withdrawn or expired
    ping, pong                 each second
    status                     of the connection to the other gateway
    take                       asks for the records, for a take-over

A line comes from another machine, which may run another version, or not be ours any more: fields and kinds that are not
known are ignored, all else is checked.
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from fwhelpers.engine.expectation_record import account_from, plain_account
from fwhelpers.engine.registry import Account
from fwhelpers.engine.untrusted import flag, integer, load, mapping, number, text
from fwhelpers.kernel.expect import Expectation, parse_expectation
from fwhelpers.kernel.raw_events import ExpectationBytes, read_expectation

FORMAT = 1  #: of the lines; a higher one is not understood. New fields and kinds do not change it
MAX_LINE = 4096  #: bytes with the line break
MAX_REMAINING = 86400.0  #: seconds
MAX_PAYLOAD = 1024  #: bytes of an expectation's message
_MAX_CLASS = 3  # NF_CT_MAX_EXPECT_CLASSES
_MAX_NAME = 15  # NF_CT_HELPER_NAME_LEN, without the zero
_MAX_TRIGGER, _MAX_VERSION = 100, 40  #: characters


class Hello(NamedTuple):
    """The first line of each end."""

    version: str
    format: int = FORMAT


class Begin(NamedTuple):
    """All live expectations follow. From a reader of the feed: send them."""


class Complete(NamedTuple):
    """Each live expectation was sent since the last `Begin`."""


class Live(NamedTuple):
    """An expectation of the other gateway that is live."""

    number: int  #: by which `Ended` refers to it
    identity: ExpectationBytes
    payload: bytes  #: the kernel's own message
    remaining: float  #: seconds for which it lives on
    account: Account | None = None  #: on which it counts, if a worker has reported that
    trigger: str = ""  #: the announcing message, for people
    taken: bool = False  #: a former take-over has had it


class Ended(NamedTuple):
    """An expectation has ended."""

    number: int


class Ping(NamedTuple):
    """Asks for the `Pong` of the same number."""

    number: int


class Pong(NamedTuple):
    """The answer to a `Ping`; with number 0 it only says that data arrive."""

    number: int
    records: int  #: that the sender has of the other gateway


class Status(NamedTuple):
    """The state of the replication on one gateway."""

    sending: bool = False  #: to the other gateway
    receiving: bool = False  #: from it
    since: float = 0.0  #: when one of the two has changed last, seconds since 1970
    version: str = ""  #: of the other gateway; empty: never heard
    lag: float | None = None  #: seconds from a ping to its answer
    received: int = 0  #: records of the other gateway here
    confirmed: int = 0  #: records of this gateway there, as it says
    detached: bool = (
        False  #: the service of this gateway is not connected, and reports no expectations
    )

    @property
    def connected(self) -> bool:
        """Return whether both directions work."""
        return self.sending and self.receiving


class Take(NamedTuple):
    """Asks the local process for status and records."""

    #: the records count as handed over, so that a later take-over creates none of them again
    mark: bool


Message = Hello | Begin | Complete | Live | Ended | Ping | Pong | Status | Take


def encode(message: Message) -> bytes:
    """Return a line. Empty fields are left out."""
    fields: dict[str, Any] = {"kind": type(message).__name__.lower(), **message._asdict()}
    if isinstance(message, Live):
        del fields["identity"]
        fields["payload"] = binascii.b2a_base64(message.payload, newline=False).decode()
        fields["remaining"] = round(message.remaining, 1)
        fields["account"] = message.account and plain_account(message.account)
        fields["trigger"] = message.trigger[:_MAX_TRIGGER]
    present = {key: value for key, value in fields.items() if not _is_default(value)}
    return json.dumps(present, separators=(",", ":")).encode() + b"\n"


def _is_default(value: object) -> bool:
    return value is None or value is False or value == ""


def decode(line: bytes) -> Message | None:
    """Return a line's message, None if its kind is not known. Raises ValueError."""
    if len(line) > MAX_LINE:
        raise ValueError(f"a line of more than {MAX_LINE} bytes")
    fields = mapping(load(line))
    decoder = _DECODERS.get(text(fields.get("kind"), 16))
    try:
        return decoder(fields) if decoder else None
    except KeyError as error:
        raise ValueError(f"the field {error} is missing") from None


def _hello(fields: dict[str, Any]) -> Hello:
    return Hello(text(fields["version"], _MAX_VERSION), integer(fields["format"], least=1))


def _live(fields: dict[str, Any]) -> Live:
    payload = _base64(fields["payload"])
    _check(parse_expectation(payload))
    raw = read_expectation(payload)
    remaining = number(fields["remaining"])
    if not 0 <= remaining <= MAX_REMAINING:
        raise ValueError("the remaining time is out of range")
    account = fields.get("account")
    return Live(
        integer(fields["number"]),
        raw.identity,
        payload,
        remaining,
        None if account is None else account_from(account),
        text(fields.get("trigger", ""), _MAX_TRIGGER),
        flag(fields.get("taken", False)),
    )


def _check(expectation: Expectation) -> None:
    """Check what the kernel's own message always has: another one could not be encoded again."""
    tuples = [expectation.master, expectation.tuple, expectation.mask]
    tuples += [expectation.nat] if expectation.nat is not None else []
    for value in tuples:
        integer(value.l4, 255)
        integer(value.sport, 65535)
        integer(value.dport, 65535)
    sizes = {len(address) for value in tuples for address in (value.src, value.dst)}
    if sizes not in ({4}, {16}):
        raise ValueError("addresses of two families, or none")
    integer(expectation.klass, _MAX_CLASS)
    integer(expectation.nat_dir, 1)
    integer(expectation.zone, 65535)
    for number_of_32_bits in (expectation.flags, expectation.timeout, expectation.id):
        integer(number_of_32_bits, 0xFFFFFFFF)
    if not expectation.helper.isprintable() or len(expectation.helper) > _MAX_NAME:
        raise ValueError("not the name of a helper")


def _base64(value: object) -> bytes:
    if not isinstance(value, str) or not value.isascii() or len(value) > 2 * MAX_PAYLOAD:
        raise ValueError("not an expectation")
    return binascii.a2b_base64(value, strict_mode=True)


def _status(fields: dict[str, Any]) -> Status:
    lag = fields.get("lag")
    return Status(
        flag(fields.get("sending", False)),
        flag(fields.get("receiving", False)),
        number(fields["since"]),
        text(fields.get("version", ""), _MAX_VERSION),
        None if lag is None else number(lag),
        integer(fields["received"]),
        integer(fields["confirmed"]),
        flag(fields.get("detached", False)),
    )


_DECODERS: Mapping[str, Callable[[dict[str, Any]], Message]] = {
    "hello": _hello,
    "begin": lambda fields: Begin(),
    "complete": lambda fields: Complete(),
    "live": _live,
    "ended": lambda fields: Ended(integer(fields["number"])),
    "ping": lambda fields: Ping(integer(fields["number"])),
    "pong": lambda fields: Pong(integer(fields["number"]), integer(fields["records"])),
    "status": _status,
    "take": lambda fields: Take(flag(fields.get("mark", False))),
}
