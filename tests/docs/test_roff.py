"""The macros: whatever a text has in it, roff sees words only."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from manual import roff
from shipped import need


@pytest.mark.parametrize(
    ("text", "page"),
    [
        ("plain", "plain"),
        (".TH is no macro", "\\&.TH is no macro"),
        ("'quoted", "\\&'quoted"),
        ("a\\b", "a\\eb"),
        ("use `--json` now", "use \\fB\\-\\-json\\fR now"),
        ("a *helper* reads", "a \\fIhelper\\fR reads"),
        ("conf.d/*.toml and a/*", "conf.d/*.toml and a/*"),
        ("user-space helper -x", "user-space helper \\-x"),
        ("1–64", "1\\[u2013]64"),
        ("two\n  lines", "two lines"),
    ],
)
def test_inline(text: str, page: str) -> None:
    assert roff.inline(text) == page


def test_no_line_that_wrapping_makes_is_a_macro() -> None:
    text = " ".join(["word"] * 15 + [".SH", "'br"] + ["word"] * 12 + [".PP"])
    for line in roff.inline(text).splitlines():
        assert not line.startswith((".", "'"))


def test_prose() -> None:
    text = "One\nparagraph.\n\nexamples:\n  a --b\n  c\n\nAnother."
    assert list(roff.prose(text)) == [
        "One paragraph.", ".PP", "examples:", ".RS 4", ".EX", "a \\-\\-b", "c", ".EE", ".RE", ".PP", "Another.",
    ]  # fmt: skip


words = st.text(st.characters(min_codepoint=33, max_codepoint=0x17F), min_size=1, max_size=12)


@settings(max_examples=15)
@given(st.lists(words, min_size=1, max_size=40))
def test_any_text_comes_out_as_it_went_in(text: list[str]) -> None:
    need("mandoc")
    lines = [word.translate(str.maketrans("", "", "`*\xad\x7f")) for word in text]
    lines = [word for word in lines if word.strip() and word.isprintable()]
    page = [*roff.title("x", 7, "1"), roff.section("s"), *roff.prose(" ".join(lines))]
    done = subprocess.run(
        ["mandoc", "-Tutf8", "-Owidth=1000"], input="\n".join(page) + "\n", capture_output=True,
        text=True, check=True, encoding="utf-8",
    )  # fmt: skip
    head, *body, foot = done.stdout.strip("\n").splitlines()
    assert "X(7)" in head
    assert "X(7)" in foot
    assert " ".join(body).split()[1:] == lines
