"""What people see and do on the page."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from cockpit_page import (
    HOSTILE,
    assert_quiet,
    click,
    elements,
    focused,
    is_checked,
    press,
    serious_violations,
    wait_text,
    wait_until,
)
from message_bus import MessageBus, Program

from fwhelpers.dbus import names

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="without polkit only root is authorized")


@ROOT_ONLY
def test_the_overview(service: Program, page: Any) -> None:
    wait_text(page, "fwhelpers 9 is running, steering by rules, fail open.")
    service.command(do="create", first=5, count=3)
    service.command(do="match", first=5)
    service.command(do="refuse")
    text = wait_text(page, "below 1024 (G6)")
    assert "tcp 10.0.1.2:any → 10.0.2.2:1030" in text
    assert "10.0.1.2:50000 → 10.0.2.2:1029" in text  # the connection that used the first one
    assert "rpc: no" in text
    wait_text(page, "3 opened and 1 refused in the last hour; at most 3 in a minute.")
    bars = page.find_elements("css selector", "svg rect")
    assert [bar.get_attribute("class") for bar in bars] == ["opened", "refused"]
    assert "home (default)" in wait_text(page, "ftp (service fw-ftp)")
    assert_quiet(page)
    page.refresh()
    wait_text(page, "3 opened and 1 refused in the last hour")  # the service counts


@ROOT_ONLY
def test_text_from_the_network_stays_text(service: Program, page: Any) -> None:
    wait_text(page, "is running")
    before = elements(page)
    service.command(do="refuse", announcement=HOSTILE)
    text = wait_text(page, "<img src=x onerror=alert(1)>\\u{1b}[2J\\u{202e}</td><script>alert(1)")
    assert "\u202e" not in text
    assert elements(page) <= before | {"TABLE", "RECT", "rect"}
    assert_quiet(page)


def test_addresses_are_for_those_whom_polkit_lets_see_them(
    start: Callable[..., Program], service: Program, page: Any
) -> None:
    start("polkit_fake.py", "{}", line="polkit is there")
    service.command(do="refuse")
    page.refresh()
    text = wait_text(page, "You may not see addresses.")
    assert "below 1024" not in text
    assert "ftp" in text


@ROOT_ONLY
def test_a_switch_by_keyboard(service: Program, page: Any) -> None:
    wait_text(page, "is running")
    page.execute_script("document.getElementById('switch-rpc').focus()")
    role = "return document.getElementById('switch-rpc').getAttribute('role')"
    assert page.execute_script(role) == "switch"
    assert not is_checked(page, "switch-rpc")
    press(page, " ")
    wait_until(lambda: is_checked(page, "switch-rpc"), "rpc is enabled")
    assert focused(page) == "switch-rpc"
    press(page, "\ue007")
    wait_until(lambda: not is_checked(page, "switch-rpc"), "rpc is disabled")


def test_a_switch_without_the_right(
    start: Callable[..., Program], service: Program, page: Any
) -> None:
    start("polkit_fake.py", "{}", line="polkit is there")
    wait_text(page, "is running")
    click(page, "switch-rpc")
    alert = "return document.getElementById('alert').textContent"
    wait_until(lambda: "polkit action manage-helpers" in page.execute_script(alert), "an error")
    assert not is_checked(page, "switch-rpc")


@pytest.mark.usefixtures("service")
def test_the_page_of_a_helper(page: Any) -> None:
    wait_text(page, "is running")
    click(page, "link-ftp")
    text = wait_text(page, "Specification")
    assert page.execute_script("return document.querySelector('h1').textContent") == "ftp"
    for part in ("the ftp protocol", "RFC 1", "fw-ftp", "This helper has no settings of its own."):
        assert part in text
    click(page, "back")
    wait_text(page, "Installed helpers")
    page.back()
    wait_text(page, "Specification")


def test_the_service_may_end_and_come_back(
    start: Callable[..., Program], service: Program, page: Any, bus: MessageBus
) -> None:
    wait_text(page, "is running")
    service.end()
    wait_text(page, "The service is not running.")
    start("bus_service.py", line="^on D-Bus")
    wait_text(page, "is running, steering")
    bus.stop()
    wait_text(page, "The system message bus cannot be reached.")


@pytest.mark.parametrize(
    ("error", "text", "reason"),
    [
        ("org.freedesktop.DBus.Error.UnknownMethod", "no such method", "no such method"),
        ("-", "", "it is of another version"),
    ],
)
def test_a_service_that_does_not_answer_is_not_a_stopped_one(
    start: Callable[..., Program], page: Any, error: str, text: str, reason: str
) -> None:
    wait_text(page, "The service is not running.")
    erring = start("erring_service.py", names.NAME, error, text, line="on the bus")
    shown = wait_text(page, f"The service does not answer: {reason}")
    assert "journalctl -u fwhelpers" in shown
    assert "is not running" not in shown
    assert_quiet(page)
    erring.end()
    wait_text(page, "The service is not running.")
    start("bus_service.py", line="^on D-Bus")
    assert "does not answer" not in wait_text(page, "is running, steering")


def test_without_the_service_nothing_starts_it(bus: MessageBus, page: Any) -> None:
    text = wait_text(page, "The service is not running.")
    assert "systemctl start fwhelpers" in text
    assert_quiet(page)


def colours(page: Any) -> tuple[str, str]:
    script = "const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]"
    return tuple(page.execute_script(script))


PAGES = {
    "": "Installed helpers",
    "#/helper/ftp": "Specification",
    "#/explain/10.0.1.2/10.0.2.2/1029": "expectation of ftp, created",
}


@ROOT_ONLY
@pytest.mark.parametrize("style", ["light", "dark"])
def test_nothing_serious_for_axe(service: Program, page: Any, style: str) -> None:
    page.execute_script("localStorage.setItem('shell:style', arguments[0])", style)
    page.refresh()
    wait_text(page, "is running")
    service.command(do="create", first=5, count=1)
    service.command(do="refuse")
    wait_text(page, "below 1024")
    dark = page.execute_script("return document.documentElement.classList.contains('dark')")
    assert dark == (style == "dark")
    assert colours(page)[1] == ("rgb(21, 21, 21)" if dark else "rgb(240, 240, 240)")
    for path, text in PAGES.items():
        page.execute_script("location.hash = arguments[0]", path)
        wait_text(page, text)
        assert serious_violations(page) == []
    page.execute_script("localStorage.removeItem('shell:style')")


@pytest.mark.usefixtures("service")
def test_german(page: Any) -> None:
    wait_text(page, "is running")
    page.add_cookie({"name": "CockpitLang", "value": "de-de"})
    try:
        page.refresh()
        text = wait_text(page, "fwhelpers 9 läuft, Zuweisung durch rules")
        for part in ("Installierte Helfer", "0 geöffnet und 0 abgelehnt in der letzten Stunde"):
            assert part in text
        assert page.execute_script("return document.documentElement.lang") == "de"
        assert page.title == "Verbindungshelfer"
        assert_quiet(page)
    finally:
        page.delete_all_cookies()
