"""The documentation's code is run, and its links lead somewhere."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from connection import Connection

from fwhelpers import api, testing
from fwhelpers.engine.headers import ACK, SYN
from fwhelpers.testing import pcap

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])


def blocks(page: str) -> list[str]:
    """The indented code blocks of a page."""
    matches = re.findall(r"(?:^(?: {4}.*)?\n)+", (ROOT / page).read_text(), re.M)
    return [textwrap.dedent(block).strip() + "\n" for block in matches if block.strip()]


def test_the_plugin_of_the_first_page_and_its_test(monkeypatch: pytest.MonkeyPatch) -> None:
    code = blocks("docs/plugins.md")
    (plugin,) = [block for block in code if "class Foo" in block]
    (test,) = [block for block in code if "def test_data" in block]
    module = ModuleType("foo_helper")
    exec(plugin, module.__dict__)
    monkeypatch.setitem(sys.modules, "foo_helper", module)
    space: dict[str, object] = {}
    exec(test, space)
    space["test_data"]()  # type: ignore[operator]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert "://" in target or (page.parent / target).exists(), target


def test_features_name_tests_that_there_are() -> None:
    page = (ROOT / "docs/features.md").read_text()
    named = re.findall(r"`((?:vm|plugins|unit|packaging|captures|fuzz)/[^`]*)`", page)
    assert len(named) > 40
    assert [name for name in named if not any((ROOT / "tests").glob(name.rstrip("/")))] == []


def test_attacks_name_tests_that_there_are() -> None:
    tests = ROOT / "tests"
    named = re.findall(r"`([^`]*\.py)`", (tests / "README.md").read_text())
    assert len(named) > 40
    assert [name for name in named if not (tests / name).is_file()] == []


def test_selected_scenarios_exist() -> None:
    lines = (ROOT / "tests/lab/selected.txt").read_text().splitlines()
    scenarios = [line.partition("::") for line in lines if not line.startswith("#")]
    assert len(scenarios) > 10
    for file, _, name in scenarios:
        assert not name or f"def {name}(" in (ROOT / file).read_text(), name
        assert (ROOT / file).is_file()


def test_the_exposure_that_is_told_is_measured() -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze here")
    argv = [sys.executable, str(ROOT / "benchmarks/exposure.py")]
    measured = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    ours = [line for line in measured.splitlines() if line.startswith("| fwhelpers")]
    assert len(ours) == 5
    page = (ROOT / "docs/security.md").read_text().splitlines()
    assert [line for line in ours if line not in page] == []


def test_index_lists_every_decision_in_order() -> None:
    folder = ROOT / "docs/decisions"
    links = re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", (folder / "README.md").read_text())
    assert links == sorted(path.name for path in folder.glob("0*.md"))


#: members that the framework uses, and a plugin does not
INTERNAL = {"families", "kernel_name", "l4s", "moved", "parser_for", "registered"}


def public_names() -> set[str]:
    """All names of the plugin API, with the fields and methods of its classes."""
    names = {*api.__all__, *testing.__all__}
    for exported in (getattr(api, name) for name in api.__all__):
        if isinstance(exported, type):
            names |= {*vars(exported), *getattr(exported, "__annotations__", {})}
    return {name for name in names if not name.startswith("_")} - INTERNAL


def test_the_page_about_plugins_has_every_public_name() -> None:
    page = (ROOT / "docs/plugins.md").read_text()
    assert [n for n in sorted(public_names()) if not re.search(rf"\b{n}\b", page)] == []


def test_the_page_about_plugins_has_no_other_name() -> None:
    page = (ROOT / "docs/plugins.md").read_text()
    keywords = re.findall(r"\b(\w+)=", "\n".join(re.findall(r"`[^`\n]+`", page)))
    classes = re.findall(r"`([A-Z]\w*[a-z]\w*)\b", page)
    parameters = {"address", "programs", "settings"}
    documented = public_names() | INTERNAL | parameters
    assert [name for name in (*keywords, *classes) if name not in documented] == []


def test_the_snippets_of_plugin_tests_work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code = blocks("docs/plugins.md")
    space: dict[str, Any] = {}
    exec(next(block for block in code if "class Foo" in block), space)
    (space["foo"],) = space["fwhelpers_helpers"]()
    exec(next(block for block in code if "def test_invariants" in block), space)
    space["test_invariants"]()
    monkeypatch.chdir(tmp_path)
    talk = Connection(space["foo"], "tcp", "10.0.1.2:40000", "10.0.2.2:7777")
    segments = [
        talk.packet(b"", False, flags=SYN), talk.packet(b"", True, flags=SYN | ACK),
        talk.packet(b"DATA 4000\r\n", True),
    ]  # fmt: skip
    pcap.write("foo.pcap", [(1.0, segment.payload) for segment in segments])
    exec(next(block for block in code if "def test_capture" in block), space)
    space["test_capture"]()
