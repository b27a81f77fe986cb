"""conntrackd.conf: what it says, and one clear line where it says nothing."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.migrate.conntrackd import Document, Number, parse
from fwhelpers.migrate.notes import MigrationError, Origin

WORDS = [
    "Helper", "Type", "ftp", "rpc", "inet", "inet6", "tcp", "udp", "{", "}", "QueueNum", "QueueLen", "Policy",
    "ExpectMax", "ExpectTimeout", "Setup", "yes", "OFF", "0", "17", "99999999999", "General", "Sync", "#", "\n", "/p{",
    '"', "-3", "UNIX", "é",
]  # fmt: skip
CONFIG = st.lists(st.sampled_from(WORDS)).map(" ".join)


def of(text: str) -> Document:
    return parse("c", text)


def test_all_that_can_be_said() -> None:
    document = of(
        "Sync { Mode FTFW { } }\nHelper {\nSetup no\nSetup YES\nType ftp inet6 tcp {\nQueueNum 3\nQueueLen 4\n"
        "Policy ftp {\nExpectMax 5\nExpectTimeout 6\n} } }\nStripNAT\nGeneral { Path /a{b }\n"
    )
    (first_type,) = document.types
    assert (first_type.name, first_type.family, first_type.l4, first_type.origin) == (
        "ftp",
        6,
        "tcp",
        Origin("c", 5),
    )
    assert first_type.queue == Number(3, Origin("c", 6))
    assert first_type.length == Number(4, Origin("c", 7))
    (policy,) = first_type.policies
    assert (policy.max, policy.timeout) == (Number(5, Origin("c", 9)), Number(6, Origin("c", 10)))
    assert document.setup
    assert document.setup.on
    assert document.skipped == ("Sync", "StripNAT", "General")
    assert str(first_type) == "Type ftp inet6 tcp"


def test_several_sections_and_none() -> None:
    twice = "Helper { Type ftp inet tcp { } } " * 2
    assert [first_type.name for first_type in of(twice).types] == ["ftp", "ftp"]
    assert of("# nothing").types == ()
    assert of("Helper{Type a inet udp{QueueNum 1 QueueNum 2}}").types[0].queue == Number(
        2, Origin("c", 1)
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("helper {\n}", "c:1: there is no section helper, did you mean Helper?"),
        ("Helper {\n Type ftp inet tcp {\n }\n", "c:1: this block is never closed, add a } where it ends"),
        ("Sync {\n{ }\n", "c:1: this block is never closed, add a } where it ends"),
        ("Helper {\n queuenum 1 }", "c:2: queuenum is not a keyword here, known words: Type, Setup"),
        ("Helper { Type ftp inet TCP { } }", "c:1: TCP is not known here, write tcp or udp"),
        ("Helper { Type ftp ipv4 tcp { } }", "c:1: ipv4 is not known here, write inet or inet6"),
        ("Helper { Type ftp inet tcp\n}", "c:2: } where { belongs, write {"),
        ('Helper { Type "ftp" inet tcp { } }', 'c:1: " where a helper\'s name, like ftp belongs, remove it'),
        ("Helper { Type ftp inet tcp { QueueNum x } }", "c:1: x where a number belongs, write a number"),
        ("Helper { Type ftp inet tcp { QueueNum 2147483648 } }",
         "c:1: the number is too large, write at most 2147483647"),
        ("Helper { Type ftp inet tcp { QueueNum " + "9" * 6000,
         "c:1: the number is too large, write at most 2147483647"),
        ("Helper { Type ftp inet tcp { Policy ftp { ExpecTimeout 3 } } }",
         "c:1: ExpecTimeout is not a keyword here, did you mean ExpectTimeout?"),
        ("Helper { Setup maybe }", "c:1: maybe is neither yes nor no, write one of them"),
        ("Helper { Setup", "c:1: the file ends where yes or no belongs, complete it"),
        ("Helper { } }", "c:1: } where a section like Helper { } belongs, write a section like Helper { }"),
    ],
)  # fmt: skip
def test_mistakes_have_a_place_and_a_remedy(text: str, message: str) -> None:
    with pytest.raises(MigrationError) as caught:
        of(text)
    assert str(caught.value) == message


def error_text(text: str) -> str:
    """The error that a text makes, or empty."""
    try:
        of(text)
    except MigrationError as error:
        return str(error)
    return ""


@given(st.text() | CONFIG)
def test_any_text_is_a_document_or_the_one_error(text: str) -> None:
    message = error_text(text)
    assert len(message.splitlines()) == (message != "")
    assert message.startswith("c:") or not message


@pytest.mark.parametrize(
    "unit",
    [
        "Helper { Type ftp inet tcp { } } ",
        "General { ",
        "x",
        "Sync ",
        "{",
        "9",
        "#",
        "/",
        "Sync { } ",
    ],
)
def test_long_texts_take_no_longer_than_they_are(unit: str) -> None:
    def spent(size: int) -> float:
        start = time.process_time()
        for prefix in ("", "Helper { Type "):
            assert len(error_text(prefix + unit * (size // len(unit)))) < 200
        return time.process_time() - start

    assert spent(400_000) < 40 * spent(40_000) + 1  # squared it would be a hundred times
