"""Parameters of the kernel's helpers."""

from __future__ import annotations

import pytest
from fwhelpers_plugins import h323, sip
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.migrate import conntrackd, convert, firewall, modules, render
from fwhelpers.migrate.convert import Result

(SIP,), (H323,) = sip.fwhelpers_helpers(), h323.fwhelpers_helpers()


def converted(text: str, types: str = "") -> Result:
    document = conntrackd.parse("c", f"Helper {{\n{types}\n}}")
    return convert.convert(document, firewall.read([("r", text)]), {"sip": SIP, "h323": H323})


def keys(result: Result) -> dict[str, object]:
    return {entry.key: entry.value for table in result.tables for entry in table.entries}


@pytest.mark.parametrize(
    "line",
    [
        "options nf_conntrack_sip ports=5060,5062 sip_timeout=600",
        "modprobe nf_conntrack_sip ports=5060,5062 sip_timeout=600",
        "/sbin/modprobe -q nf-conntrack-sip ports=5060,5062 sip_timeout=600",
        'options nf_conntrack_sip "ports=5060,5062" sip_timeout=600 # phones',
        "insmod /lib/modules/x/nf_conntrack_sip.ko ports=5060,5062 sip_timeout=600",
        "options ip_conntrack_sip ports=5060,5062 sip_timeout=600",
    ],
)
def test_parameters_that_have_an_equal(line: str) -> None:
    result = converted(line)
    assert keys(result) == {"ports": [5060, 5062], "keep": 600}
    assert result.notes == []
    assert "[helpers.sip]\n# r:1\nports = [5060, 5062]\n# r:1\nkeep = 600\n" in render.toml(result)


def test_defaults_need_nothing() -> None:
    line = "options nf_conntrack_sip ports=5060 sip_timeout=3600 sip_direct_media=1 sip_direct_signalling=1"
    result = converted(line)
    assert keys(result) == {}
    assert [table.name for table in result.tables] == ["sip"]
    assert result.notes == []


@pytest.mark.parametrize(
    ("parameter", "note"),
    [
        ("sip_direct_media=0", "guard.address"),
        ("sip_direct_signalling=0", "only the registrar"),
        ("ports=70000", "no equal"),
        ("ports=5060,x", "no equal"),
        ("sip_timeout=-1", "no equal"),
        ("sip_timeout=99999999", "no equal"),
        ("unknown=1", "no equal"),
    ],
)
def test_what_admits_more_or_has_no_equal_is_noted(parameter: str, note: str) -> None:
    result = converted(f"options nf_conntrack_sip {parameter}")
    (text,) = [str(note) for note in result.notes]
    assert text.startswith(f"r:1: omitted {parameter}: ")
    assert note in text
    assert keys(result) == {}


def test_registrations_of_h323() -> None:
    result = converted("options nf_conntrack_h323 default_rrq_ttl=600 gkrouted_only=1")
    assert keys(result) == {"registration": 600}
    assert result.notes == []
    result = converted("options nf_conntrack_h323 default_rrq_ttl=300 callforward_filter=Y")
    assert [table.name for table in result.tables] == ["h323"]
    assert keys(result) == {}
    assert result.notes == []


@pytest.mark.parametrize(
    ("parameter", "note"),
    [
        ("gkrouted_only=0", "any-src"),
        ("callforward_filter=N", "to their sender only"),
        ("callforward_filter=0", "to their sender only"),
        ("default_rrq_ttl=0", "no equal"),
        ("default_rrq_ttl=90000", "no equal"),
        (f"default_rrq_ttl={'9' * 5000}", "no equal"),
        ("sip_timeout=600", "no equal"),
    ],
)
def test_what_admits_more_or_has_no_equal_in_h323(parameter: str, note: str) -> None:
    result = converted(f"options nf_conntrack_h323 {parameter}")
    (text,) = [str(note) for note in result.notes]
    assert note in text
    assert keys(result) == {}


@pytest.mark.parametrize(
    "line",
    [
        "modprobe nf_conntrack_sip", "options snd_hda_intel index=1", "echo options nf_conntrack_sip ports=1",
        "options", "# options nf_conntrack_sip ports=5062", "blacklist nf_conntrack_sip ports=1",
    ],
)  # fmt: skip
def test_other_lines(line: str) -> None:
    assert converted(line).tables == []


def test_helpers_that_are_not_installed_or_that_conntrackd_has() -> None:
    result = converted("options nf_conntrack_x25 ports=1")
    assert [str(note) for note in result.notes] == [
        "r:1: omitted the parameters of x25: no such helper is installed"
    ]
    result = converted("options nf_conntrack_sip ports=5062", "Type sip inet udp { }")
    assert keys(result) == {"families": [4]}
    assert any("conntrackd has it" in str(note) for note in result.notes)


def test_two_lines_for_a_module() -> None:
    result = converted("options nf_conntrack_sip ports=5062\noptions nf_conntrack_sip ports=5064")
    assert keys(result) == {"ports": [5062]}
    assert [note.origin.line for note in result.notes] == [2]


@given(st.text(max_size=60))
def test_any_text(text: str) -> None:
    for options in modules.read("r", "options nf_conntrack_sip " + text):
        modules.convert(options, {"sip": SIP})
