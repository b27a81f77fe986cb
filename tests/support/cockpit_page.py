"""What tests see and do on a page in a browser; waits for its server."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from importlib.resources import files
from typing import Any

from message_bus import PATIENCE

HOSTILE = "<img src=x onerror=alert(1)>\x1b[2J\u202e</td><script>alert(1)</script>"


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def wait_until(holds: Callable[[], Any], condition: str) -> Any:
    """Wait for a condition and return its value."""
    end = time.monotonic() + PATIENCE
    while not (value := holds()):
        assert time.monotonic() < end, condition
        time.sleep(0.1)
    return value


def text_of(page: Any) -> str:
    return str(page.execute_script("return document.getElementById('page').innerText"))


def wait_text(page: Any, text: str) -> str:
    wait_until(lambda: text in text_of(page), f"{text!r} on the page")
    return text_of(page)


def click(page: Any, name: str) -> None:
    """Click an element in a single step: the page replaces its elements when the service reports something."""
    page.execute_script("document.getElementById(arguments[0]).click()", name)


def press(page: Any, key: str) -> None:
    """Press a key where the focus is."""
    from selenium.webdriver import ActionChains

    ActionChains(page).send_keys(key).perform()


def is_checked(page: Any, name: str) -> bool:
    script = "return document.getElementById(arguments[0]).getAttribute('aria-checked')"
    return bool(page.execute_script(script, name) == "true")


def focused(page: Any) -> str:
    return str(page.execute_script("return document.activeElement.id"))


def assert_quiet(page: Any) -> None:
    """The browser has neither logged an error nor loaded anything from elsewhere."""
    assert page.get_log("browser") == []
    script = "return performance.getEntriesByType('resource').map(r => new URL(r.name).origin)"
    origin = page.execute_script("return location.origin")
    assert set(page.execute_script(script)) == {origin}


def elements(page: Any) -> set[str]:
    """Return the names of all elements of the page."""
    script = "return [...new Set([...document.querySelectorAll('*')].map(e => e.tagName))]"
    return set(page.execute_script(script))


def serious_violations(page: Any) -> list[str]:
    """Return what axe calls serious or critical."""
    page.execute_script(files("axe_core_python").joinpath("axe.min.js").read_text())
    result = page.execute_async_script("axe.run().then(arguments[0])")
    assert len(result["passes"]) > 10
    return [v["id"] for v in result["violations"] if v["impact"] in ("serious", "critical")]
