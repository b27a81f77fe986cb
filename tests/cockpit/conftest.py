"""The page in a browser: Chromium, cockpit-ws with a session of this user, the service on a bus of its own."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cockpit_page import listens, wait_until
from message_bus import PATIENCE, MessageBus, Program

PAGE = Path(__file__).parents[2] / "packaging" / "cockpit"
PROGRAMS = Path(__file__).parents[1] / "support" / "programs"
WS, BRIDGE = "/usr/lib/cockpit/cockpit-ws", "cockpit-bridge"

#: what the page learns of firewalld's zones
ZONES = {
    "zones": [
        {
            "zone": "home", "default": True, "interfaces": ["lan"], "sources": [],
            "helpers": [{"helper": "ftp", "reason": "service fw-ftp"}],
        }
    ]
}  # fmt: skip

#: answers for zones, runs the rest; each line of the file `calls` beside it is a call
COMMAND = """\
#!/bin/sh
echo "$*" >>"$0.calls"
[ "$1" != zones ] || {{ cat; exit; }} <<'END'
{zones}
END
exec {python} {program} "$@"
"""

Start = Callable[..., Program]


@pytest.fixture(scope="session", autouse=True)
def _programs() -> None:
    pytest.importorskip("selenium", reason="no selenium (pip install selenium)")
    for program in (WS, BRIDGE, "chromium", "chromedriver", "dbus-daemon"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program} (apt-get install cockpit-ws cockpit-bridge chromium-driver)")


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[MessageBus]:
    message_bus = MessageBus(tmp_path)
    yield message_bus
    message_bus.stop()


@pytest.fixture
def start(bus: MessageBus) -> Iterator[Start]:
    """Start a program of tests/support on the bus."""
    running: list[Program] = []

    def begin(script: str, *arguments: str, line: str) -> Program:
        argv = (sys.executable, str(PROGRAMS / script), bus.address, *arguments)
        running.append(Program(*argv, env=bus.env))
        running[-1].wait_line(line)
        return running[-1]

    yield begin
    for program in reversed(running):
        program.end()


@pytest.fixture
def service(start: Start) -> Program:
    return start("bus_service.py", line="^on D-Bus")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--window-size=1200,900",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver_service = webdriver.ChromeService(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=driver_service)
    driver.set_page_load_timeout(PATIENCE)
    yield driver
    driver.quit()


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """The file with the arguments of each call of the command by the page."""
    return tmp_path / "bin" / "fwhelpers.calls"


@pytest.fixture
def page(bus: MessageBus, browser: Any, tmp_path: Path, calls: Path) -> Iterator[Any]:
    """The browser, with the page open."""
    data = tmp_path / "data"
    (data / "cockpit").mkdir(parents=True)
    (data / "cockpit" / "fwhelpers").symlink_to(PAGE)
    command = calls.with_suffix("")
    command.parent.mkdir()
    program = PROGRAMS / "fwhelpers_as_user.py"
    script = COMMAND.format(python=sys.executable, program=program, zones=json.dumps(ZONES))
    command.write_text(script)
    command.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    home = str(tmp_path)
    env = {
        **bus.env, "DBUS_SYSTEM_BUS_ADDRESS": bus.address, "XDG_DATA_HOME": str(data),
        "PATH": f"{command.parent}:{os.environ['PATH']}",
        "HOME": home, "XDG_CONFIG_HOME": home, "XDG_RUNTIME_DIR": home,
    }  # fmt: skip
    argv = (WS, "--no-tls", "--address=127.0.0.1", f"--port={port}", f"--local-session={BRIDGE}")
    server = Program(*argv, env=env)
    try:
        wait_until(lambda: listens(port), "cockpit-ws listens")
        browser.get(f"{address}/cockpit/@localhost/fwhelpers/index.html")
        yield browser
        browser.get("about:blank")
    finally:
        server.end()
