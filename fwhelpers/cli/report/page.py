"""The report of a capture as one HTML page without scripts or external resources.

The page is built as a tree and serialised by the standard library, which escapes all text and
attributes: there is no string of markup into which text from the network could be pasted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from xml.etree.ElementTree import Element, SubElement, tostring

from fwhelpers.cli.printable import printable
from fwhelpers.cli.report.recording import (
    ABANDONED,
    OPENED,
    REFUSED,
    USED,
    Message,
    Recording,
    Row,
    Session,
)

MAX_DUMP = 64  #: bytes of a binary message that are shown

#: browsers load nothing and run nothing, whatever the page contains
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

_STYLE = """
:root { color-scheme: light dark; --text: #1b1b1b; --back: #fff; --line: #8a8a8a; --soft: #f2f2f2;
  --good: #0b6b2e; --bad: #a51d1d; --use: #1a4f9c; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e6e6; --back: #161616; --line: #8f8f8f;
  --soft: #262626; --good: #7ddc9b; --bad: #ff9a9a; --use: #9cc4ff; } }
body { color: var(--text); background: var(--back); font: 16px/1.4 system-ui, sans-serif;
  max-width: 70rem; margin: 0 auto; padding: 1rem; }
a { color: var(--use); }
table { border-collapse: collapse; }
th, td { text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid var(--line); }
td.number { text-align: right; }
section { margin-top: 2.5rem; }
.ends { display: flex; justify-content: space-between; font-weight: bold; }
.ladder { list-style: none; margin: 0; padding: .5rem 0; border-left: 2px solid var(--line);
  border-right: 2px solid var(--line); }
.ladder li { margin: .5rem 0; padding: 0 .8rem; }
.ladder pre { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; background: var(--soft);
  padding: .2rem .5rem; font: 14px/1.35 ui-monospace, monospace; }
.to-server { margin-right: 15% !important; }
.to-client { margin-left: 15% !important; text-align: right; }
.to-client pre { text-align: left; }
.at { font-size: .8rem; }
.opened, .used, .refused, .gave-up { border-left: .3rem solid; overflow-wrap: anywhere; }
.opened { color: var(--good); }
.used { color: var(--use); }
.refused, .gave-up { color: var(--bad); }
@media print { section { break-before: page; } }
"""

_KINDS = {
    OPENED: ("opened", "opens: "), USED: ("used", "used: "),
    REFUSED: ("refused", "refused: "), ABANDONED: ("gave-up", "gave up: "),
}  # fmt: skip


def render(recording: Recording, notes: tuple[str, ...] = ()) -> str:
    """Return the page; `notes` are paragraphs below its title."""
    html = Element("html", lang="en")
    head, body = SubElement(html, "head"), SubElement(html, "body")
    SubElement(head, "meta", charset="utf-8")
    SubElement(head, "meta", {"http-equiv": "Content-Security-Policy", "content": _POLICY})
    SubElement(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    title = f"{recording.name}: control connections"
    _text(head, "title", title)
    SubElement(head, "style").text = _STYLE
    main = SubElement(body, "main")
    _text(main, "h1", title)
    for paragraph in (_summary(recording), *notes):
        _text(main, "p", paragraph)
    if recording.sessions:
        _index(main, recording)
    for number, session in enumerate(recording.sessions, 1):
        _session(main, number, session)
    return "<!DOCTYPE html>\n" + tostring(html, "unicode", method="html") + "\n"


def _text(parent: Element, tag: str, text: str, **attributes: str) -> Element:
    element = SubElement(parent, tag, attributes)
    element.text = printable(text)
    return element


def _summary(recording: Recording) -> str:
    count = len(recording.sessions)
    more = (
        f"; {recording.omitted} messages of further ones are left out" if recording.omitted else ""
    )
    return (
        f"{recording.frames} frames in {recording.seconds:.1f} s, {count} control"
        f" connection{'s' * (count != 1)} with messages{more}."
    )


def _index(main: Element, recording: Recording) -> None:
    table = SubElement(main, "table")
    _text(table, "caption", "Control connections")
    row = SubElement(SubElement(table, "thead"), "tr")
    for name in ("connection", "messages", "opened", "used", "refused"):
        _text(row, "th", name, scope="col")
    rows = SubElement(table, "tbody")
    for number, session in enumerate(recording.sessions, 1):
        row = SubElement(rows, "tr")
        _text(SubElement(row, "td"), "a", session.title, href=f"#c{number}")
        counts = [len(session.messages) + session.omitted]
        counts += [session.count(kind) for kind in (OPENED, USED, REFUSED)]
        for count in counts:
            _text(row, "td", str(count), **{"class": "number"})


def _session(main: Element, number: int, session: Session) -> None:
    section = SubElement(main, "section", {"id": f"c{number}", "aria-labelledby": f"h{number}"})
    _text(section, "h2", session.title, id=f"h{number}")
    ends = SubElement(section, "div", {"class": "ends"})
    _text(ends, "span", f"client {session.client}")
    _text(ends, "span", f"server {session.server}")
    ladder = SubElement(section, "ol", {"class": "ladder"})
    for _, write in sorted(_steps(session), key=lambda step: step[0]):
        write(ladder)
    if session.omitted:
        _text(section, "p", f"{session.omitted} more messages are left out.")


def _steps(session: Session) -> Iterator[tuple[tuple[int, int], Callable[[Element], None]]]:
    """Yield frame and order within it, and the function that writes the step."""
    for message in session.messages:
        yield (message.frame, 0), lambda parent, m=message: _message(parent, m)  # type: ignore[misc]
    for row in session.rows:
        yield (row.frame, 1), lambda parent, r=row: _row(parent, r)  # type: ignore[misc]


def _message(ladder: Element, message: Message) -> None:
    side, arrow = ("to-client", "←") if message.reply else ("to-server", "→")
    item = SubElement(ladder, "li", {"class": side})
    sender = "server" if message.reply else "client"
    at = f"{arrow} {sender}, {message.time:.3f} s, frame {message.frame}, {message.size} bytes"
    _text(item, "div", at, **{"class": "at"})
    pre = SubElement(item, "pre")
    pre.text = "\n".join(lines(message))


def lines(message: Message) -> Iterator[str]:
    """Yield a message as lines of printable text, or as a dump if it is binary."""
    data = message.data
    if is_text(data):
        yield from (
            printable(line) for line in data.decode("utf-8", "backslashreplace").splitlines()
        )
        shown = len(data)
    else:
        shown = min(len(data), MAX_DUMP)
        for at in range(0, shown, 16):
            part = data[at : min(at + 16, shown)]
            letters = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
            yield f"{at:04x}  {part.hex(' '):<47}  {letters}"
    if shown < message.size:
        yield f"… {message.size - shown} more bytes"


def is_text(data: bytes) -> bool:
    """Return whether nine of ten bytes are printable, or white space."""
    good = sum(32 <= byte < 127 or byte in b"\t\r\n" or byte >= 128 for byte in data)
    return b"\0" not in data and good * 10 >= len(data) * 9


def _row(ladder: Element, row: Row) -> None:
    name, words = _KINDS[row.kind]
    _text(ladder, "li", f"{words}{row.words()} (frame {row.frame})", **{"class": name})
