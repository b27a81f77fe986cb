"""Rows of [discovery.NAME]: the conversion of a table, and whole configurations."""

from __future__ import annotations

import pytest

from fwhelpers import config
from fwhelpers.api import Helper, Parser
from fwhelpers.config.discovery import make_row, missing_keys
from fwhelpers.config.validators import InvalidValue
from fwhelpers.discovery import Match

OPTIONS = {"port": 7000, "groups": ("239.1.2.3",), "signature": ((2, b"\0", b"\xf8"),)}


def test_make_row_converts_the_options() -> None:
    row = make_row("disks", OPTIONS)
    assert row.ports == (7000,)
    assert row.signature == (Match(2, (b"\0",), b"\xf8"),)
    assert list(missing_keys(OPTIONS)) == []


def test_missing_keys_lists_required_keys() -> None:
    assert [key for key, _ in missing_keys({})] == ["port", "groups", "signature"]


def test_an_invalid_name_is_rejected() -> None:
    with pytest.raises(InvalidValue):
        make_row("no spaces", OPTIONS)


def resolve(*texts: str) -> config.Config:
    draft = config.parse([(f"{n}.toml", text) for n, text in enumerate(texts, 1)])
    return config.resolve(draft, {"ftp": Helper("ftp", "tcp", [21], Parser)})


def problems(*texts: str) -> list[str]:
    with pytest.raises(config.ConfigError) as caught:
        resolve(*texts)
    return str(caught.value).splitlines()


ROW = """
[discovery.disks]
port = 7000
groups = ["239.1.2.3", "ff02::1234"]
signature = ["0:4449534b", "8:0000/f000"]
"""


def row(**changes: str) -> str:
    """A valid table with these keys changed; an empty value removes the key."""
    keys = {
        "port": "7000", "groups": '["239.1.2.3"]', "signature": '["0:4449534b"]', **changes
    }  # fmt: skip
    lines = [f"{key} = {value}" for key, value in keys.items() if value]
    return "\n".join(["[discovery.disks]", *lines])


def test_a_declared_row_is_an_enabled_helper() -> None:
    loaded = resolve(ROW)
    assert list(loaded.helpers) == ["disks"]
    assert loaded.helpers["disks"].ports == (7000,)
    assert loaded.helpers["disks"].families == (4, 6)
    (declared,) = loaded.rows
    assert declared.groups == ("239.1.2.3", "ff02::1234")
    assert (declared.window, declared.reply_port, declared.sources) == (5, "same", "on-link")
    assert declared.matches(b"DISK1234\x0f\xff", 40000)
    assert not declared.matches(b"DISK1234\x1f\xff", 40000)


def test_a_row_takes_limits_from_its_helper_table() -> None:
    loaded = resolve(
        ROW, '[helpers.disks]\ninterfaces = ["lan"]\n[helpers.disks.guard]\nrate = 5\n'
    )
    assert loaded.helpers["disks"].interfaces == ("lan",)
    assert loaded.helpers["disks"].guard == {"rate": 5}


def test_all_keys_of_a_row() -> None:
    text = row(
        groups='["ff02::1"]', source_port="546", reply_port='"any"', window="30", doc='"disks"',
        sources='"link-local"',
    )  # fmt: skip
    (declared,) = resolve(text).rows
    assert (declared.source_ports, declared.reply_port, declared.doc) == ((546,), "any", "disks")
    assert resolve(row(reply_port="9", broadcast="true", groups="")).rows[0].reply_port == 9


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (row(port=""), "discovery.disks.port: required (the destination port of requests)"),
        (row(groups=""), "discovery.disks.groups: required (or set broadcast = true)"),
        (row(signature=""), "discovery.disks.signature: required "
         '(the bytes that identify a request, for example "0:4449534b")'),
        (row(port='"7000"'), "discovery.disks.port: must be an integer, not a string (write 7000 without quotes)"),
        (row(port="0"), "discovery.disks.port: 0 is out of range (use 1 to 65535)"),
        (row(groups='["10.0.0.1"]'), "discovery.disks.groups: 10.0.0.1/32 is not a multicast group "
         "(set broadcast = true for 255.255.255.255)"),
        (row(groups='["239.1.2.3/8"]'), "discovery.disks.groups: 239.1.2.3/8 has host bits set "
         '(write "239.0.0.0/8")'),
        (row(group='"239.1.2.3"'), "discovery.disks.group: unknown key (did you mean groups?)"),
        (row(window="31"), "discovery.disks.window: 31 is out of range (use 1 to 30)"),
        (row(signature='["DISK"]'), 'discovery.disks.signature: "DISK" is not a signature '
         '(for example "0:424a4e50" or "2:00/f8")'),
        (row(signature='["0:44/f8f8"]'), 'discovery.disks.signature: "0:44/f8f8": value and mask '
         "differ in length"),
        (row(signature='["0:ff/f8"]'), 'discovery.disks.signature: "0:ff/f8": the value has bits '
         "outside the mask"),
        (row(signature="[]"), "discovery.disks.signature: an empty array matches nothing "
         "(omit the key for no limit)"),
        (row(reply_port='"some"'), 'discovery.disks.reply_port: invalid value "some" (did you mean same?)'),
        (row(sources='"all"'), 'discovery.disks.sources: invalid value "all" (values: on-link, link-local)'),
        (row(sources='"link-local"'), "discovery.disks: sources: link-local answers require IPv6 groups only "
         "(leave `sources` out)"),
        (row(broadcast="1"), "discovery.disks.broadcast: must be true or false, not an integer"),
        (row(doc='"a\\nb"'), "discovery.disks.doc: must be one line of at most 200 printable characters"),
        ("[discovery]\nx = 1", "discovery.x: must be a table, not an integer (write [discovery.x])"),
        (row().replace("disks", "ftp"), "discovery.ftp: an installed helper has this name (choose another name)"),
        (row().replace("disks", "a_b"), "discovery.a_b: name must be a letter followed by at most 11 letters, "
         "digits, dashes or dots"),
        (row() + "\n[helpers.disks]\nwindow = 3", "helpers.disks.window: unknown key"),
        ("[discover.x]", "discover: unknown table (did you mean discovery?)"),
    ],
)  # fmt: skip
def test_errors_in_rows(text: str, expected: str) -> None:
    (line,) = problems(text)
    assert line.startswith(f"1.toml: {expected}")


def test_two_rows_may_share_a_port_but_not_a_group() -> None:
    other = row().replace("disks", "tapes")
    assert len(resolve(row(), other.replace("239.1.2.3", "239.1.2.4")).rows) == 2
    (line,) = problems(row(), other)
    assert line.startswith("2.toml: discovery.tapes: udp port 7000 is already used by disks")
