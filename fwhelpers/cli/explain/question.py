"""The connection that `fwhelpers explain` is asked about, and what concerns it. Pure.

Expectations, refusals and connections are dictionaries with the keys of the D-Bus API.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from fwhelpers.api import Endpoint
from fwhelpers.kernel.transports import PORTLESS

Address = IPv4Address | IPv6Address
Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """A connection that somebody may open: its first packet, as it arrives at this host.

    `port` is 0 for a transport without ports.
    """

    source: Address
    destination: Address
    port: int
    transport: str = "tcp"
    source_port: int | None = None

    def __str__(self) -> str:
        if self.transport in PORTLESS:
            return f"{self.transport} {self.source} → {self.destination}"
        port = "any" if self.source_port is None else self.source_port
        source = f"[{self.source}]" if self.source.version == 6 else str(self.source)
        return f"{self.transport} {source}:{port} → {self.endpoint}"

    @property
    def endpoint(self) -> str:
        """The destination as refusals and expectations write it."""
        return str(Endpoint.parse(str(self.destination), self.port))


DIRECT, TRANSLATED = "direct", "translated"


def expectation_match(question: Question, values: Values) -> str:
    """Return DIRECT, TRANSLATED if the destination is the one after NAT, or "" for no match.

    The kernel compares the source under its mask and the destination exactly (nf_ct_exp_equal).
    """
    if values["transport"] != question.transport or "inactive" in values.get("flags", ()):
        return ""
    if values["source_port_mask"] and question.source_port not in (None, values["source_port"]):
        return ""
    if not _covers(values["source"], values["source_mask"], question.source):
        return ""
    end = (str(question.destination), question.port)
    if _end(values["destination"], values["destination_port"]) == end:
        return DIRECT
    nat = values.get("nat")
    return TRANSLATED if nat and _end(nat["address"], nat["port"]) == end else ""


def is_near(question: Question, values: Values) -> bool:
    """Return whether an expectation is for the same hosts, or for the same port of any client."""
    hosts = str(question.destination) in (
        str(ip_address(values["destination"])),
        (values.get("nat") or {}).get("address"),
    )
    source = _covers(values["source"], values["source_mask"], question.source)
    return hosts and (source or values["destination_port"] == question.port)


def _covers(address: str, mask: str, source: Address) -> bool:
    network, bits = ip_address(address), int(ip_address(mask))
    return network.version == source.version and not (int(network) ^ int(source)) & bits


def _end(host: str, port: int) -> tuple[str, int]:
    return str(ip_address(host)), port


def is_connection(question: Question, values: Values) -> bool:
    """Return whether an entry of conntrack is the connection, as it arrived or as it left after NAT."""
    ports = (None, values["source_port"])
    if values["transport"] != question.transport or question.source_port not in ports:
        return False
    arrived = (values["source"], values["destination"], values["destination_port"])
    leaving = tuple(values.get(f"reply_{key}") for key in ("destination", "source", "source_port"))
    mixed = (values["source"], *leaving[1:])
    asked = (str(question.source), str(question.destination), question.port)
    return asked in (arrived, leaving, mixed)


def is_between(question: Question, values: Values) -> bool:
    """Return whether a connection, in either direction, has both hosts as ends, before or after NAT."""
    first = {values["source"], values.get("reply_destination")}
    second = {values["destination"], values.get("reply_source")}
    source, destination = str(question.source), str(question.destination)
    forward = source in first and destination in second
    return forward or (destination in first and source in second)


def is_refusal(question: Question, values: Values) -> bool:
    """Return whether a refused announcement named this endpoint to this source."""
    if values["endpoint"] != question.endpoint:
        return False
    hosts = {end.rpartition(":")[0].strip("[]") for end in (values["client"], values["server"])}
    return str(question.source) in hosts
