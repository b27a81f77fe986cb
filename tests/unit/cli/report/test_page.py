"""The page: valid HTML, and text from the network stays text."""

from __future__ import annotations

from pathlib import Path

import html5lib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.cli.main import main
from fwhelpers.cli.report.page import is_text, lines, render
from fwhelpers.cli.report.recording import OPENED, REFUSED, USED, Message, Recording, Row, Session

HTML = "{http://www.w3.org/1999/xhtml}"
HOSTILE = (
    "<script>alert(1)</script>", "</pre></li><img src=x onerror=alert(1)>", "]]>", "<!--", "&lt;b&gt;",
    '" onmouseover="alert(1)', "</style><script>", "\x1b[2J\u202e\0\x85", "javascript:alert(1)",
)  # fmt: skip


def recording(text: str, data: bytes) -> Recording:
    session = Session(
        text,
        f"{text}: tcp 10.0.1.2:41234 → 10.0.2.2:21",
        text,
        text,
        [Message(1, 0.0, False, data, len(data)), Message(4, 0.5, True, data, 5000)],
        [Row(1, OPENED, text), Row(2, REFUSED, text), Row(5, USED, text, (1,))],
        omitted=3,
    )
    return Recording(text, [session], 9, 1.5, 1)


def parse(page: str) -> html5lib.HTMLParser:
    """Parse strictly: any error of syntax is an exception."""
    return html5lib.HTMLParser(strict=True).parse(page)


def tags(page: str) -> set[str]:
    return {
        element.tag.removeprefix(HTML)
        for element in parse(page).iter()
        if isinstance(element.tag, str)
    }


PLAIN = tags(render(recording("plain", b"USER x\r\n")))


def check(page: str) -> None:
    tree = parse(page)
    assert tags(page) == PLAIN
    for element in tree.iter():
        for name, value in element.attrib.items():
            assert not name.startswith("on")
            if name in ("href", "src", "action"):
                assert value.startswith("#c")
    assert not any(0x7F <= ord(c) < 0xA0 or (ord(c) < 32 and c != "\n") for c in page)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_adds_no_markup(text: str) -> None:
    page = render(recording(text, text.encode("utf-8", "surrogatepass")), (text,))
    check(page)
    assert "<script" not in page
    assert "\u202e" not in page


@given(st.text(st.characters(exclude_categories=["Cs"])), st.binary(max_size=200))
def test_no_text_adds_markup(text: str, data: bytes) -> None:
    check(render(recording(text, data)))


def test_the_page_needs_nothing_else() -> None:
    page = render(recording("ftp", b"x"))
    assert page.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert "default-src 'none'" in page
    assert "prefers-color-scheme: dark" in page
    for word in ("src=", "@import", "url(", "http:", "https:", "<link", "<script"):
        assert word not in page


def test_messages_and_rows_are_in_the_order_of_frames() -> None:
    tree = parse(render(recording("ftp", b"PASV\r\n")))
    items = ["".join(item.itertext()) for item in tree.iter(f"{HTML}li")]
    assert [item.split()[0] for item in items] == ["→", "opens:", "refused:", "←", "used:"]
    assert items[-1] == "used: ftpframe 1 (frame 5)"
    cells = [cell.text for cell in tree.iter(f"{HTML}td") if cell.text]
    assert cells == ["5", "1", "1", "1"]
    text = "".join(tree.itertext())
    assert "3 more messages are left out" in text
    assert "1 messages of further ones are left out" in text


def test_a_page_without_control_connections() -> None:
    page = render(Recording("x", [], 1, 0.0))
    parse(page)
    assert "0 control connections" in page


def message(data: bytes, size: int | None = None) -> list[str]:
    return list(lines(Message(1, 0.0, False, data, len(data) if size is None else size)))


def test_text_is_shown_by_lines() -> None:
    assert message(b"USER x\r\nPASS \x1b[2J\r\n") == ["USER x", "PASS \\x1b[2J"]
    assert message("Gr\u00fc\u00dfe \u202e".encode()) == ["Gr\u00fc\u00dfe \\u202e"]
    assert message(b"caf\xe9", 10) == ["caf\\xe9", "\u2026 6 more bytes"]


def test_binary_messages_are_dumped() -> None:
    dump = message(bytes(range(70)))
    assert dump[0] == f"0000  {bytes(range(16)).hex(' ')}  ................"
    assert dump[2].endswith(" !\"#$%&'()*+,-./")
    assert dump[-1] == "… 6 more bytes"
    assert not is_text(b"\0abc")
    assert is_text(b"")


CAPTURE = Path(__file__).parents[3] / "captures" / "own" / "ftp-ipv4.pcap"


def replay(*arguments: object) -> int:
    return main(["replay", "--helper", "ftp", *map(str, arguments)])


def test_the_command_writes_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    assert replay(CAPTURE, "--report", page) == 0
    out, err = capsys.readouterr()
    assert out.count(" matched by frame ") == 4
    assert err == ""
    text = "".join(parse(page.read_text()).itertext())
    assert "ftp-ipv4.pcap: control connections" in text
    assert "opens: PASV: tcp 10.0.1.2:any → 10.0.2.2:" in text
    assert "227 Entering Passive Mode (10,0,2,2," in text
    assert sorted(tmp_path.iterdir()) == [page]


def test_an_anonymous_page_and_its_capture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    assert replay(CAPTURE, "--report", page, "--anonymise") == 0
    assert "User names, passwords, file names and host names were not" in capsys.readouterr().err
    text = "".join(parse(page.read_text()).itertext())
    for secret in ("10.0.1.2", "10.0.2.2", "10,0,1,2", "10,0,2,2"):
        assert secret not in text
    assert replay(tmp_path / "page.pcap", "--report", tmp_path / "again.html") == 0
    again = "".join(parse((tmp_path / "again.html").read_text()).itertext())
    ladder = text.index("ftp: tcp", text.index("refused"))
    assert text[ladder:] in again


def test_the_capture_itself_is_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capture = tmp_path / "page.pcap"
    capture.write_bytes(CAPTURE.read_bytes())
    assert replay(capture, "--report", tmp_path / "page.html", "--anonymise") == 1
    assert f"{capture} is the capture itself" in capsys.readouterr().err
    assert capture.read_bytes() == CAPTURE.read_bytes()


@pytest.mark.parametrize(
    ("report", "options", "error"),
    [
        ("page.pcap", (), "page.pcap is the capture itself"),
        ("page.pcap", ("--anonymise",), "page.pcap is the capture itself"),
        ("new.pcap", ("--anonymise",), "new.pcap would be the report and the new capture"),
        ("other.html", ("--anonymise",), "other.pcap exists, and the new capture would replace it"),
    ],
)
def test_no_file_is_replaced_but_the_report(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    report: str,
    options: tuple[str, ...],
    error: str,
) -> None:
    for name in ("page.pcap", "other.pcap"):
        (tmp_path / name).write_bytes(CAPTURE.read_bytes())
    assert replay(tmp_path / "page.pcap", "--report", tmp_path / report, *options) == 1
    err = capsys.readouterr().err
    assert error in err
    assert "\nhint: " in err
    assert {file.read_bytes() for file in tmp_path.iterdir()} == {CAPTURE.read_bytes()}


@pytest.mark.parametrize("kind", ["page.html", "page.pcap"])
def test_no_address_of_the_file_name_is_left(tmp_path: Path, kind: str) -> None:
    capture = tmp_path / "trace-of-198.51.100.77.pcap"
    capture.write_bytes(CAPTURE.read_bytes())
    assert replay(capture, "--report", tmp_path / "page.html", "--anonymise") == 0
    assert b"198.51.100.77" not in (tmp_path / kind).read_bytes()


def test_anonymise_belongs_to_a_report(capsys: pytest.CaptureFixture[str]) -> None:
    assert replay(CAPTURE, "--anonymise") == 2
    assert "--anonymise requires --report" in capsys.readouterr().err
