"""RPC messages made by hand, RFC 5531 §9 and RFC 1833."""

from __future__ import annotations

from struct import pack

from fwhelpers_plugins.rpc import fwhelpers_helpers

from fwhelpers.api import Expect
from fwhelpers.sansio.xdr import string
from fwhelpers.testing import Playbook

(RPC,) = fwhelpers_helpers()

UADDR = b"10.0.2.2.78.80"  # port 20048
TCP, UDP = 6, 17
NULL_AUTH = pack("!II", 0, 0)
UNIX_AUTH = pack("!I", 1) + string(pack("!I", 1) + string(b"host") + pack("!III", 0, 0, 0))


def call(
    xid: int,
    version: int,
    procedure: int,
    args: bytes = b"",
    *,
    program: int = 100000,
    cred: bytes = NULL_AUTH,
    verf: bytes = NULL_AUTH,
    rpc: int = 2,
) -> bytes:
    return pack("!IIIIII", xid, 0, rpc, program, version, procedure) + cred + verf + args


def reply(
    xid: int, result: bytes = b"", *, denied: int = 0, accept: int = 0, verf: bytes = NULL_AUTH
) -> bytes:
    return pack("!III", xid, 1, denied) + verf + pack("!I", accept) + result


def port(number: int) -> bytes:
    return pack("!I", number)


def getport(xid: int, program: int = 100005, prot: int = UDP, version: int = 3) -> bytes:
    return call(xid, 2, 3, pack("!IIII", program, version, prot, 0))


def rpcb(program: int = 100005, version: int = 3, netid: bytes = b"udp") -> bytes:
    return pack("!II", program, version) + string(netid) + string(b"") + string(b"")


def getaddr(
    xid: int, version: int = 3, procedure: int = 3, program: int = 100005, netid: bytes = b"udp"
) -> bytes:
    return call(xid, version, procedure, rpcb(program, netid=netid))


def callit(xid: int, version: int = 2, procedure: int = 5, program: int = 100005) -> bytes:
    return call(xid, version, procedure, pack("!III", program, 3, 0) + string(b"args"))


def entries(*bodies: bytes) -> bytes:
    return b"".join(port(1) + body for body in bodies) + port(0)


def list_entry(address: bytes, netid: bytes) -> bytes:
    return string(address) + string(netid) + port(1) + string(b"inet") + string(b"x")


def dump_entry2(program: int, prot: int, number: int) -> bytes:
    return pack("!IIII", program, 3, prot, number)


def dump_entry(program: int, netid: bytes, address: bytes) -> bytes:
    return pack("!II", program, 3) + string(netid) + string(address) + string(b"superuser")


def record(*parts: bytes) -> bytes:
    last = len(parts) - 1
    return b"".join(pack("!I", len(p) | (i == last) << 31) + p for i, p in enumerate(parts))


def service(
    play: Playbook, number: int = 20048, l4: str = "udp", trigger: str = "mountd v3"
) -> Expect:
    return Expect(play.client, play.server.at(number), l4, permanent=True, trigger=trigger)


def udp(family: int = 4, **settings: object) -> Playbook:
    return Playbook(RPC, "udp", family, **settings)


def tcp(family: int = 4, **settings: object) -> Playbook:
    return Playbook(RPC, "tcp", family, **settings)
