"""Registrations: calls to a phone arrive at the port of its Contact (RFC 3261 §10).

    REGISTER, Contact: <sip:alice@192.0.2.1:5066>, Expires: 3600   →
                                                                   ←   200 OK, Contact: <…>;expires=1800

The registrar may open a connection to that port until the registration expires. If it is the port of the control
connection itself, calls arrive there, and nothing needs to be opened; its entry must not expire.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from fwhelpers.api import Cancel, Endpoint, Event, Expect, Keep, ParseError, Refuse

from .media import Ends
from .message import Message, number
from .uris import Uri, uris

LIFETIME = 3600  #: seconds; RFC 3261 §10.2.1.1 leaves it to the registrar, most take an hour
LONGEST = 7200  #: seconds
MAX_CONTACTS = 8  #: of a request
MAX_PENDING = 16  #: requests without an answer
MAX_ACTIVE = 16
MAX_USERS = 16  #: of a Contact
MAX_USER = 256  #: bytes of a user

#: responses after which the former registration persists: a challenge, a time that is too short, a busy server
_PERSISTS = frozenset((401, 407, 423, 491, *range(500, 600)))


class Binding(NamedTuple):
    """A Contact, and where it leads to."""

    server: Endpoint
    l4: str  #: empty: to the control connection itself
    lifetime: int | None  #: seconds that the request asks for; None: not stated


class Request(NamedTuple):
    """A REGISTER that waits for its answer."""

    bindings: tuple[Binding, ...]
    all: bool  #: `Contact: *`: remove all


class Active(NamedTuple):
    """A Contact that is registered, for one user or several: the lines of a phone have one port."""

    expect: Expect
    users: frozenset[bytes]  #: addresses-of-record (§10.1)


class Registrations:
    """The registrations on one control connection."""

    def __init__(self, ends: Ends) -> None:
        self._ends = ends
        self._pending: OrderedDict[tuple[bool, bytes, int], Request] = OrderedDict()
        self._active: OrderedDict[tuple[bool, Endpoint, str], Active] = OrderedDict()

    def handle(self, message: Message, end: bool) -> Iterator[Event]:
        """Act on a REGISTER or its response."""
        key = (end ^ bool(message.status), message.key, message.cseq)
        if not message.status:
            bindings: list[Binding] = []
            for event in self._read(message, end):
                if isinstance(event, Refuse):
                    yield event
                else:
                    bindings.append(event)
            contacts = message.fields.get(b"contact", [])
            star = any(field.value.strip() == b"*" for field in contacts)
            self._pending[key] = Request(tuple(bindings), star)
            if len(self._pending) > MAX_PENDING:
                self._pending.popitem(last=False)
        elif message.status >= 200:
            request = self._pending.pop(key, None)
            if request:
                yield from self._answer(message, not end, request)

    def pending(self) -> tuple[bool, bytes, int, Binding] | None:
        """Return the last request without an answer if it has one Contact."""
        for (end, call, cseq), request in islice(reversed(self._pending.items()), 1):
            if len(request.bindings) == 1:
                return end, call, cseq, request.bindings[0]
        return None

    def resume(self, end: bool, call: bytes, cseq: int, binding: Binding) -> None:
        """Continue with a request of which the answer is awaited."""
        self._pending[end, call, cseq] = Request((binding,), all=False)

    def _read(self, message: Message, end: bool) -> Iterator[Binding | Refuse]:
        own, l4 = self._ends.own(end), self._ends.flow.l4
        default = _lifetime(message)
        contacts = message.fields.get(b"contact", [])
        for uri in islice(uris(contacts), MAX_CONTACTS):
            if uri.host is None or uri.secure:
                continue
            addr, port = uri.host.endpoint
            transport = uri.transport.decode() or "udp"
            if transport not in ("udp", "tcp"):
                continue
            reflexive = self._ends.is_reflexive(end, addr)
            if addr != own.addr and not reflexive:
                reason = f"REGISTER: {own.host} announced another host, {uri.host.endpoint.host}"
                yield Refuse("G5", reason, uri.host.endpoint)
                continue
            itself = port in (own.port, self._ends.reflexive[end].port if reflexive else 0)
            itself = itself and (transport == l4 or not uri.transport)
            lifetime = default if uri.expires is None else uri.expires
            yield Binding(own.at(port), "" if itself else transport, lifetime)

    def _answer(self, message: Message, end: bool, request: Request) -> Iterator[Event]:
        user = _user(message)
        if message.status >= 300:
            if message.status not in _PERSISTS:
                for binding in request.bindings:
                    yield from self._remove((end, binding.server, binding.l4), user)
            return
        if request.all:
            for key in [key for key in self._active if key[0] == end]:
                yield from self._remove(key, user)
        contacts = list(islice(uris(message.fields.get(b"contact", [])), 4 * MAX_CONTACTS))
        for binding in request.bindings:
            lifetime = _granted(contacts, binding, _lifetime(message))
            if lifetime and not binding.l4:
                yield Keep(min(lifetime, LONGEST))
            elif lifetime:
                yield self._open(end, binding, lifetime, user)
            else:
                yield from self._remove((end, binding.server, binding.l4), user)

    def _open(self, end: bool, binding: Binding, lifetime: int, user: bytes) -> Expect:
        expect = Expect(
            self._ends.own(not end),
            binding.server,
            binding.l4,
            "signalling",
            permanent=True,
            child=True,
            keep_after_master=True,
            trigger="REGISTER",
            timeout=min(lifetime, LONGEST),
        )
        key = (end, binding.server, binding.l4)
        former = self._active.get(key)
        users = former.users if former is not None else frozenset()
        if len(users) < MAX_USERS:
            users |= {user}
        self._active[key] = Active(expect, users)
        if len(self._active) > MAX_ACTIVE:
            self._active.popitem(last=False)
        return expect

    def _remove(self, key: tuple[bool, Endpoint, str], user: bytes) -> Iterator[Event]:
        active = self._active.pop(key, None)
        if active is None:
            return
        others = active.users - {user}
        if others:
            self._active[key] = Active(active.expect, others)
        else:
            yield Cancel("signalling", active.expect)


def _user(message: Message) -> bytes:
    """Return the address-of-record, which is in To (§10.2)."""
    value = message.fields[b"to"][0].value
    if b"<" in value:
        value = value.rpartition(b"<")[2].partition(b">")[0]
    return value.partition(b";")[0].strip()[:MAX_USER]


def _lifetime(message: Message) -> int | None:
    try:
        return number(message.fields[b"expires"][0].value)
    except (KeyError, ParseError):
        return None


def _granted(contacts: list[Uri], binding: Binding, default: int | None) -> int:
    """Return the seconds for which a binding is registered, 0 if it is removed (§10.2.4, §10.3 item 8)."""
    if binding.lifetime == 0:
        return 0
    stated = [
        uri
        for uri in contacts
        if uri.host and uri.host.endpoint.port == binding.server.port and uri.expires is not None
    ]
    # other phones of the user have the same port; behind NAT the registrar knows this one by another address
    stated.sort(key=lambda uri: uri.host is None or uri.host.endpoint != binding.server)
    if stated and stated[0].expires is not None:
        return stated[0].expires
    lifetimes = (default, binding.lifetime, LIFETIME)
    return next(lifetime for lifetime in lifetimes if lifetime is not None)
