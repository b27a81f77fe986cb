"""What is recorded of a capture."""

from __future__ import annotations

from pathlib import Path

import pytest

from fwhelpers import config
from fwhelpers.cli.report import recording
from fwhelpers.cli.report.recording import ABANDONED, OPENED, REFUSED, USED, Recorder, Recording
from fwhelpers.engine.guard import Limits
from fwhelpers.plugin.manager import load
from fwhelpers.testing import pcap

CAPTURES = Path(__file__).parents[3] / "captures" / "own"


def record(name: str, *helpers: str) -> Recording:
    installed = load().helpers
    chosen = {helper: installed[helper] for helper in helpers}
    settings = {
        helper: {**config.default(h).settings, "destinations": ()} for helper, h in chosen.items()
    }
    recorder = Recorder(chosen, settings, dict.fromkeys(helpers, Limits()))
    for frame in pcap.read(CAPTURES / name):
        recorder.frame(frame)
    return recorder.recording(name)


def test_an_ftp_session() -> None:
    result = record("ftp-ipv4.pcap", "ftp")
    assert (result.name, len(result.sessions), result.omitted) == ("ftp-ipv4.pcap", 4, 0)
    session = result.sessions[0]
    assert session.title.startswith("ftp: tcp 10.0.1.2:")
    assert session.title.endswith(f" → {session.server}")
    assert session.messages[0].reply
    assert session.messages[0].data.startswith(b"220 ")
    assert not session.messages[1].reply
    assert [session.count(kind) for kind in (OPENED, USED, REFUSED)] == [1, 1, 0]
    opened, used = session.rows
    assert opened.others == (used.frame,)
    assert used.others == (opened.frame,)
    assert used.words().endswith(f"matches the expectation of frame {opened.frame}")
    trigger = next(m for m in session.messages if m.frame == opened.frame)
    assert trigger.data[:3] in (b"227", b"229", b"POR", b"EPR")


def test_refusals_and_abandoned_connections() -> None:
    result = record("ftp-ipv4.pcap", "ftp", "rpc")
    kinds = {row.kind for session in result.sessions for row in session.rows}
    assert kinds <= {OPENED, USED, REFUSED, ABANDONED}


def test_sessions_and_messages_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MAX_SESSIONS", 1)
    monkeypatch.setattr(recording, "MAX_MESSAGES", 2)
    monkeypatch.setattr(recording, "MAX_BYTES", 3)
    result = record("ftp-ipv4.pcap", "ftp")
    (session,) = result.sessions
    assert len(session.messages) == 2
    assert session.omitted > 0
    assert result.omitted > 0
    assert all(len(m.data) <= 3 < m.size for m in session.messages)
