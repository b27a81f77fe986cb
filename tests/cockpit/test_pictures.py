"""The pictures of the documentation, drawn from the tests' own session. `./dev pictures` keeps them."""

from __future__ import annotations

import io
import os
import re
import struct
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from cockpit_page import wait_text, wait_until
from message_bus import MessageBus, Program
from rich.console import Console
from rich.text import Text

from fwhelpers import __version__
from fwhelpers.cli import client
from fwhelpers.cli.client import ask
from fwhelpers.cli.main import main
from fwhelpers.cli.top.feed import Feed
from fwhelpers.cli.top.model import Model
from fwhelpers.cli.top.view import lines
from fwhelpers.plugin import manager as plugins

ROOT = Path(__file__).parents[2]
CAPTURE = ROOT / "tests/captures/own/ftp-ipv4.pcap"
PROGRAMS = ROOT / "tests/support/programs"
LIMIT = 150_000  #: bytes of one picture
SHOWN = ("ftp", "rpc", "sip", "tftp", "mdns")

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="without polkit only root is authorized")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return where the pictures go."""
    path = Path(os.environ.get("FWHELPERS_PICTURES") or tmp_path / "pictures")
    path.mkdir(exist_ok=True)
    return path


@pytest.fixture
def traffic(bus: MessageBus, service: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some helpers of ours, expectations and a refusal."""
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.address)
    installed = plugins.load().helpers
    values = [
        {
            "name": h.name, "kernel_name": h.kernel_name, "enabled": h.name in SHOWN[:2],
            "registered": True, "problem": "", "description": h.doc, "specification": h.spec,
            "outgoing": h.outgoing, "plugin": h.name, "distribution": "fwhelpers",
            "version": __version__, "transports": list(h.l4s), "default_ports": list(h.ports),
            "ports": list(h.ports), "families": list(h.families), "interfaces": [],
            "fail_mode": "open", "counters": {"expected": 4, "refused": 1} if h.name == "ftp" else {},
            "policies": [
                {"name": p.name, "max": p.max, "timeout": p.timeout, "min_port": p.min_port}
                for p in h.policies
            ],
            "settings": [
                {"name": s.name, "default": str(s.default), "description": s.doc}
                for s in h.settings
            ],
        }
        for h in (installed[name] for name in SHOWN)
    ]  # fmt: skip
    history = [(minute * 7 % 12, max(0, minute * 5 % 13 - 9)) for minute in range(59)]
    service.command(do="install", helpers=values, version=__version__, history=history)
    service.command(do="create", first=39000, count=4, announcement="EPSV")
    service.command(do="match", first=39000)
    service.command(do="refuse", announcement="PORT 10,0,1,2,0,22")


def keep_png(page: Any, folder: Path, name: str) -> None:
    data = page.get_screenshot_as_png()
    assert data.startswith(b"\x89PNG")
    width, _ = struct.unpack("!II", data[16:24])
    assert width >= 800
    assert 10_000 < len(data) < LIMIT, len(data)
    (folder / f"{name}.png").write_bytes(data)


def keep_svg(folder: Path, name: str, title: str, texts: Iterable[Text], width: int) -> str:
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True)
    for text in texts:
        console.print(text, no_wrap=True, crop=True)
    svg = console.export_svg(title=title)
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.S)  # it loads fonts from elsewhere
    svg = re.sub(r"terminal-\d+", "terminal", svg)
    assert not re.search(r"(?:href|src|url)[=(:\s]*[\"']?https?:", svg)
    assert len(svg) < LIMIT
    (folder / f"{name}.svg").write_text(svg)
    return svg


@pytest.mark.usefixtures("traffic")
def test_top(folder: Path) -> None:
    model = Model()

    async def scenario(service: client.Service) -> None:
        feed = Feed(model, 1.0, lambda: None)
        await feed._ask_statistics(service)
        await feed._subscribe(service)

    ask(scenario)
    screen = lines(model, 80, 24, time.monotonic(), 1.0e9 + 90_000)
    texts = [Text(line.text, style=line.style) for line in screen]
    svg = keep_svg(folder, "top", "fwhelpers top", texts, 80)
    for word in ("ftp", "EPSV", "below"):
        assert word in svg


@pytest.mark.usefixtures("traffic")
@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("explain", ["explain", "10.0.1.2", "10.0.2.2", "40025"], ["expectation"]),
        ("status", ["status"], ["HELPER", "below"]),
        ("metrics", ["metrics"], ["fwhelpers_up 1.0"]),
    ],
)
def test_output(folder: Path, name: str, arguments: list[str], words: list[str]) -> None:
    program = PROGRAMS / "fwhelpers_as_user.py"
    argv = [sys.executable, str(program), *arguments]
    output = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    shown = [line for line in output if not line.startswith("# ")][:20]
    command = Text(f"$ fwhelpers {' '.join(arguments)}", style="bold")
    texts = [
        command,
        *(Text(line[i : i + 96]) for line in shown for i in range(0, len(line) or 1, 96)),
    ]
    svg = keep_svg(folder, name, "fwhelpers", texts, 96).replace("&#160;", " ")
    for word in words:
        assert word in svg


@pytest.mark.parametrize("style", ["light", "dark"])
@pytest.mark.usefixtures("traffic")
def test_cockpit(page: Any, folder: Path, style: str) -> None:
    page.execute_script("localStorage.setItem('shell:style', arguments[0])", style)
    try:
        page.set_window_size(960, 1300)
        page.refresh()
        wait_text(page, "below 1024")
        keep_png(page, folder, f"cockpit-{style}")
        page.set_window_size(960, 760)
        page.execute_script("location.hash = '#/explain/10.0.1.2/10.0.2.2/40025'")
        wait_text(page, "expectation of ftp, created")
        keep_png(page, folder, f"cockpit-explain-{style}")
    finally:
        page.set_window_size(1200, 900)
        page.execute_script("localStorage.removeItem('shell:style')")


def test_report(browser: Any, folder: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    assert main(["replay", "--helper", "ftp", "--report", str(report), str(CAPTURE)]) == 0
    browser.get(report.as_uri())
    wait_until(lambda: browser.find_elements("css selector", "h1"), "the report")
    keep_png(browser, folder, "report")
    browser.get("about:blank")
