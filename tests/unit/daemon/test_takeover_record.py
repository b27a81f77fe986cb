"""The record of take-overs: bounded, replaced as a whole, and read whatever it contains."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fwhelpers.daemon import takeover_record
from fwhelpers.daemon.takeover_record import KEPT, MAX_BYTES, MAX_REASONS, Record, Takeover


def takeover(time: float = 1.0, **refused: int) -> Takeover:
    return Takeover(time, 2, 1, refused, {})


def test_the_last_ones_stay(tmp_path: Path) -> None:
    for number in range(KEPT + 3):
        takeover_record.add(takeover(number), tmp_path)
    record = takeover_record.read(tmp_path)
    assert record.total == KEPT + 3
    assert [row.time for row in record.takeovers] == list(range(3, KEPT + 3))
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o644


def test_reasons_are_bounded(tmp_path: Path) -> None:
    many = {f"r{number}": number + 1 for number in range(100)}
    takeover_record.add(takeover(**many), tmp_path)
    (row,) = takeover_record.read(tmp_path).takeovers
    assert len(row.refused) == MAX_REASONS
    assert row.totals()["refused"] == sum(many.values())
    assert "r99" in row.refused
    assert "r0" not in row.refused


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", '{"count": 1}', '{"count": 1, "takeovers": [1]}',
        '{"count": 1, "takeovers": [{"time": []}]}', '{"count": Infinity, "takeovers": []}',
        "[" * 100_000, " " * (MAX_BYTES + 1),
    ],
    ids=range(10),
)  # fmt: skip
def test_nonsense_is_an_empty_record(text: str, tmp_path: Path) -> None:
    (tmp_path / takeover_record.NAME).write_text(text)
    assert takeover_record.read(tmp_path) == Record()
    takeover_record.add(takeover(), tmp_path)
    assert takeover_record.read(tmp_path).total == 1


def test_no_link_is_followed(tmp_path: Path) -> None:
    """The directory belongs to the service's user, and root writes to it."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    state = tmp_path / "state"
    state.mkdir()
    (state / takeover_record.NAME).symlink_to(victim)
    takeover_record.add(takeover(), state)
    assert victim.read_text() == "mine"
    assert json.loads((state / takeover_record.NAME).read_text())["count"] == 1


def test_a_write_that_fails_leaves_the_former_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    takeover_record.add(takeover(), tmp_path)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "full")

    monkeypatch.setattr(takeover_record.json, "dump", full)
    with pytest.raises(OSError, match="full"):
        takeover_record.add(takeover(), tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [takeover_record.NAME]
    assert takeover_record.read(tmp_path).total == 1
