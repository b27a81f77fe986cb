"""What a validator finds in a datagram."""

from __future__ import annotations

from dataclasses import dataclass

_LONGEST = 80


@dataclass(frozen=True, slots=True)
class Query:
    """A question to the whole network, or an announcement that the whole network may answer."""

    window: (
        int | None
    )  #: seconds for which answers may come; None: as long as the helper's row says
    port: int | None  #: TCP port that was announced; None: answers come to the socket that asked
    what: str  #: for people: "M-SEARCH upnp:rootdevice"


def shown(prefix: str, text: bytes) -> str:
    """Text from the network, fit for a log line."""
    word = text[:_LONGEST].decode("ascii", "replace")
    return prefix + " " + "".join(c if c.isprintable() and c != "\ufffd" else "?" for c in word)
