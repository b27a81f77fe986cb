from __future__ import annotations

import io
import logging
import os
import socket
from pathlib import Path
from struct import unpack_from

from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.daemon import journal


def parse(data: bytes) -> dict[str, str]:
    """The journal's own reading of a datagram (systemd: src/journal/journald-native.c)."""
    fields = {}
    while data:
        line, _, rest = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            (size,) = unpack_from("<Q", rest)
            value, rest = rest[8 : 8 + size], rest[8 + size + 1 :]
        assert name.decode() not in fields, "given twice"
        fields[name.decode()] = value.decode()
        data = rest
    return fields


values = st.text(st.characters(exclude_categories=("Cs",)))


@given(st.dictionaries(st.from_regex(r"[A-Z][A-Z_]{0,9}", fullmatch=True), values))
def test_no_value_can_forge_a_field(fields: dict[str, str]) -> None:
    assert parse(journal.encode(fields)) == fields


def record(level: int, text: str, **extra: object) -> logging.LogRecord:
    log_record = logging.LogRecord("fwhelpers", level, "f.py", 1, text, (), None, "hear")
    log_record.__dict__.update(extra)
    return log_record


def test_a_record_has_its_fields() -> None:
    log_record = record(
        logging.WARNING, "refused", fields={"HELPER": "ftp", "RULE": "G5", "TRIGGER": ""}
    )
    assert journal.fields_of(log_record) == {
        "MESSAGE": "refused",
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "fwhelpers",
        "CODE_FUNC": "hear",
        "FWHELPERS_HELPER": "ftp",
        "FWHELPERS_RULE": "G5",
    }


def test_records_reach_the_journal(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journald:
        journald.bind(str(tmp_path / "socket"))
        handler = journal.JournalHandler(logging.NullHandler(), tmp_path / "socket")
        handler.handle(record(logging.ERROR, "two\nlines", fields={"HELPER": "rpc"}))
        handler.close()
        journaled = parse(journald.recv(4096))
    assert (journaled["MESSAGE"], journaled["PRIORITY"], journaled["FWHELPERS_HELPER"]) == (
        "two\nlines",
        "3",
        "rpc",
    )


def test_without_journald_the_line_is_not_lost(tmp_path: Path) -> None:
    out = io.StringIO()
    handler = journal.JournalHandler(logging.StreamHandler(out), tmp_path / "nobody")
    handler.handle(record(logging.INFO, "a line"))
    handler.close()
    assert out.getvalue() == "a line\n"


def test_a_stream_to_the_journal_is_recognized(tmp_path: Path) -> None:
    with (tmp_path / "stream").open("w") as stream, (tmp_path / "other").open("w") as other:
        status = os.fstat(stream.fileno())
        environ = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        assert journal.is_journal(stream, environ)
        assert not journal.is_journal(other, environ), "stderr was sent elsewhere by a shell"
        assert not journal.is_journal(stream, {})
    assert not journal.is_journal(io.StringIO(), environ)
