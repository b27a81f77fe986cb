"""TLS records in a control connection, RFC 4217 and RFC 8446 §5.1.

After AUTH and 234 both directions carry TLS records. They are passed over one by one, because CCC (RFC 4217 §12.3) may
end the encryption at any record: commands and replies then continue in clear text.
"""

from __future__ import annotations

from struct import Struct

from fwhelpers.api import ParseError

HEADER = 5
MAX_RECORD = 16384 + 2048  #: RFC 5246 §6.2.3; RFC 8446 §5.2 allows less
_TYPES = range(20, 25)  # change_cipher_spec, alert, handshake, application_data, heartbeat

_HEADER = Struct("!BBBH")


def is_record(data: bytes | bytearray) -> bool:
    """Return True if the first byte begins a TLS record; no command and no reply begins with such a byte."""
    return data[0] in _TYPES


def record_size(data: bytes) -> int:
    """Return the length of the record's body. Raises ParseError."""
    _, major, _, size = _HEADER.unpack(data)
    if major != 3 or size > MAX_RECORD:
        raise ParseError(f"not a TLS record: {data!r}")
    return int(size)
