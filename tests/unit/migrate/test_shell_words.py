from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.migrate.shell_words import commands


def words(text: str) -> list[tuple[int, list[str]]]:
    return [(command.line, command.words) for command in commands(text)]


def test_commands() -> None:
    assert words('a "b c"\'d\' e\\ f # g\nh#i && j; k \\\n l\n\n m') == [
        (1, ["a", "b cd", "e f"]), (2, ["h#i"]), (2, ["j"]), (2, ["k", "l"]), (5, ["m"]),
    ]  # fmt: skip


def test_a_lone_quote_spoils_its_word_only() -> None:
    assert words("don't do\nit's x") == [(1, ["don", "t", "do"]), (2, ["it", "s", "x"])]


@given(st.text())
def test_there_is_no_text_that_it_does_not_take(text: str) -> None:
    lines = [command.line for command in commands(text)]
    assert lines == sorted(lines)
    assert not lines or lines[-1] <= text.count("\n") + 1
