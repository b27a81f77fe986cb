""" "Why is this open?" on the page: the answer of `fwhelpers explain`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cockpit_page import (
    HOSTILE,
    assert_quiet,
    click,
    elements,
    press,
    wait_text,
)
from message_bus import Program

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="without polkit only root is authorized")


def go(page: Any, path: str) -> None:
    page.execute_script("location.hash = arguments[0]", path)


@ROOT_ONLY
def test_an_expectation_is_explained(service: Program, page: Any, calls: Path) -> None:
    wait_text(page, "is running")
    service.command(do="create", first=5, count=1)
    wait_text(page, "tcp 10.0.1.2:any → 10.0.2.2:1029")
    page.execute_script("document.querySelector('[id^=why-]').focus()")
    assert page.switch_to.active_element.accessible_name == (
        "Why is tcp 10.0.1.2:any → 10.0.2.2:1029 open?"
    )
    press(page, "\ue007")
    text = wait_text(page, "expectation of ftp, created")
    assert "10.0.1.2:40005 → 10.0.2.2:21 (PORT)" in text
    assert "fwhelpers 9 is running, steering by rules" in text
    assert "explain --json --l4 tcp -- 10.0.1.2 10.0.2.2 1029\n" in calls.read_text()
    page.back()
    wait_text(page, "Installed helpers")


@ROOT_ONLY
def test_a_refusal_is_explained_as_text(service: Program, page: Any) -> None:
    wait_text(page, "is running")
    service.command(do="refuse", announcement=HOSTILE)
    service.command(do="create", first=5, count=1, announcement=HOSTILE)
    wait_text(page, "tcp 10.0.1.2:any")
    before = elements(page)
    click(page, "ask")
    for number, value in enumerate(("10.0.2.2", "10.0.1.2", "22")):
        if number:
            press(page, "\ue004")  # Tab
        else:
            page.execute_script("document.getElementById('explain-source').focus()")
        press(page, value)
    press(page, "\ue007")
    escaped = "<img src=x onerror=alert(1)>\\x1b[2J\\u202e</td><script>alert(1)</script>"
    assert "G6" in wait_text(page, escaped)
    go(page, "#/explain/10.0.1.2/10.0.2.2/1029/tcp")
    text = wait_text(page, "expectation of ftp, created")
    assert "<img src=x onerror=alert(1)>\\u{1b}[2J" in text
    assert not {"\x1b", "\u202e"} & set(text)
    new = elements(page) - before
    assert new <= {"FORM", "LABEL", "INPUT", "SELECT", "OPTION", "DL", "DT", "DD", "H2"}
    assert_quiet(page)


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(
    "words", ["--help/10.0.2.2/21", "10.0.1.2/10.0.2.2/21/tcp/--config", "10.0.1.2/$(id)/21"]
)
def test_a_link_passes_no_options(page: Any, calls: Path, words: str) -> None:
    wait_text(page, "is running")
    go(page, f"#/explain/{words}")
    wait_text(page, "Enter two IP addresses and a port.")
    assert "explain" not in calls.read_text()


@pytest.mark.usefixtures("service")
def test_the_command_says_what_is_wrong(page: Any) -> None:
    wait_text(page, "is running")
    go(page, "#/explain/10.0.1.2/fd00::1/21")
    wait_text(page, "SRC and DST must both be IPv4 or both IPv6 addresses")


def test_polkit_decides_about_what_is_explained(
    start: Callable[..., Program], service: Program, page: Any
) -> None:
    start("polkit_fake.py", "{}", line="polkit is there")
    service.command(do="refuse", announcement="SECRET")
    wait_text(page, "is running")
    go(page, "#/explain/10.0.2.2/10.0.1.2/22")
    assert "SECRET" not in wait_text(page, "refusals: this user may not list refusals")
    wait_text(page, "Administrative access shows more")
