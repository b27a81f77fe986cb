from __future__ import annotations

from fwhelpers.migrate.notes import MigrationError, MigrationNote, Origin, places, printable, shown


def test_messages_name_the_place() -> None:
    at = Origin("/etc/conntrackd/conntrackd.conf", 3)
    assert str(MigrationNote(at, "why")) == "/etc/conntrackd/conntrackd.conf:3: why"
    assert str(MigrationError(at, "it is wrong", "mend it")).endswith(":3: it is wrong, mend it")
    assert at.short == "conntrackd.conf:3"


def test_foreign_text_can_t_break_a_line() -> None:
    assert Origin("/tmp/a\nb", 1).short == "'a\\nb':1"
    assert printable("x\x1b[0m") == "'x\\x1b[0m'"
    assert len(shown("x" * 1000)) < 70


def test_places_are_each_named_once_and_not_too_many() -> None:
    origins = [Origin("a", line) for line in (1, 1, 2, 3, 4, 5, 6)]
    assert places(origins) == "a:1, a:2, a:3, a:4 and 2 more"
    assert places(origins[:2]) == "a:1"
