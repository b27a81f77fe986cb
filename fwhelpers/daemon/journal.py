"""Sends log lines to the journal, with fields of our own, or as text to stderr.

Protocol: systemd's "Native Journal Protocol". The field of `extra={"fields": {"HELPER": "ftp"}}` is matched by
`journalctl FWHELPERS_HELPER=ftp`.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from struct import pack
from typing import TextIO

SOCKET = Path("/run/systemd/journal/socket")
PREFIX = "FWHELPERS_"

# syslog(3); a level between two counts as the lower
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))


def set_up(environ: Mapping[str, str] = os.environ, stream: TextIO | None = None) -> None:
    """Log to the journal if stderr is connected to it, else to stderr."""
    stream = stream or sys.stderr
    # nothing shows the process and the thread of a line
    logging.logProcesses = logging.logMultiprocessing = logging.logThreads = False
    text = logging.StreamHandler(stream)
    text.setFormatter(logging.Formatter("fwhelpers: %(message)s"))
    handler: logging.Handler = text
    if is_journal(stream, environ):
        handler = JournalHandler(text)
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Return whether the stream is connected to the journal (systemd.exec(5), JOURNAL_STREAM)."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class JournalHandler(logging.Handler):
    """Sends records to the journal; those that it does not accept go to `fallback`."""

    def __init__(self, fallback: logging.Handler, path: Path = SOCKET) -> None:
        super().__init__()
        self._fallback = fallback
        self._path = path
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._sock.setblocking(False)

    def emit(self, record: logging.LogRecord) -> None:
        """Never blocks the service; the journal may lose lines."""
        try:
            self._sock.sendto(encode(fields_of(record)), str(self._path))
        except OSError:
            self._fallback.handle(record)

    def close(self) -> None:
        self._sock.close()
        super().close()


def fields_of(record: logging.LogRecord) -> dict[str, str]:
    """Return the journal's fields of a record."""
    priority = next((p for level, p in _PRIORITIES if record.levelno >= level), 7)
    fields = {
        "MESSAGE": record.getMessage(),
        "PRIORITY": str(priority),
        "SYSLOG_IDENTIFIER": "fwhelpers",
        "CODE_FUNC": record.funcName or "",
    }
    own: Mapping[str, object] = getattr(record, "fields", {})
    return fields | {PREFIX + name: str(value) for name, value in own.items() if value != ""}


def encode(fields: Mapping[str, str]) -> bytes:
    """Fields as one datagram; a value with a line break has its length, so that it can't forge a field."""
    parts = []
    for name, value in fields.items():
        data = value.encode(errors="replace")
        if b"\n" in data:
            parts.append(name.encode() + b"\n" + pack("<Q", len(data)) + data + b"\n")
        else:
            parts.append(name.encode() + b"=" + data + b"\n")
    return b"".join(parts)
