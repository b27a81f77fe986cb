from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.migrate.tokens import scan


def kinds(text: str) -> list[tuple[str, str]]:
    return [(token.kind, token.text) for token in scan(text)][:-1]


def test_as_conntrackd_s_scanner() -> None:
    assert kinds("Type ftp.x-1_y{QueueNum 10x#}\n}") == [
        ("word", "Type"), ("word", "ftp.x-1_y"), ("{", "{"), ("word", "QueueNum"),
        ("number", "10"), ("word", "x"), ("}", "}"),
    ]  # fmt: skip
    # a path ends at a space only
    assert kinds('Path /run/{x}#y z "') == [
        ("word", "Path"), ("path", "/run/{x}#y"), ("word", "z"), ("other", '"'),
    ]  # fmt: skip


def test_lines_are_counted_by_line_feeds() -> None:
    assert [token.line for token in scan("a\r\nb\rc\n")] == [1, 2, 2, 3]


@given(st.text())
def test_there_is_no_text_that_it_does_not_take(text: str) -> None:
    tokens = list(scan(text))
    assert tokens[-1].kind == "end"
    assert tokens[-1].line == text.count("\n") + 1
