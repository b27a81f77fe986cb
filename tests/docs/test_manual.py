"""The man pages: well-formed, and nothing that a person could use is missing in them."""

from __future__ import annotations

import argparse
import re
import subprocess
from pathlib import Path

import pytest
from manual import commands, plugin, settings
from manual.__main__ import main, pages
from manual.members import members
from shipped import ROOT, need

from fwhelpers import api, testing
from fwhelpers.cli import parser
from fwhelpers.config import schema
from fwhelpers.plugin import manager as plugins

PAGES = pages()


def plain(name: str) -> str:
    """A page's words without its macros."""
    text = re.sub(r"\\f[BIRP]", "", PAGES[name])
    text = re.sub(r"\\\[u(\w+)\]", lambda match: chr(int(match[1], 16)), text)
    return text.replace("\\-", "-").replace("\\e", "\\").replace("\\&", "")


@pytest.mark.parametrize("name", PAGES)
def test_mandoc_finds_nothing(name: str, tmp_path: Path) -> None:
    need("mandoc")
    (tmp_path / name).write_text(PAGES[name])
    # STYLE and above; a reference to a page is looked up only with -W base
    done = subprocess.run(
        ["mandoc", "-Tlint", "-W", "style", name], cwd=tmp_path, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.stdout + done.stderr == ""


@pytest.mark.parametrize("name", PAGES)
def test_man_finds_nothing(name: str, tmp_path: Path) -> None:
    need("man")
    (tmp_path / name).write_text(PAGES[name])
    environment = {"LC_ALL": "C.UTF-8", "MANWIDTH": "80", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", name], cwd=tmp_path, capture_output=True,
        text=True, check=False, env=environment,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout) > 2000


def test_every_command_and_option_is_documented() -> None:
    text = plain("fwhelpers.8")
    top = parser.build()
    assert top.description
    matches = commands.commands(top)
    assert "run" in matches
    for name, command in matches.items():
        assert f'.SS "{name}' in text
        for action in command._actions:
            assert action.help, f"{name}: {action.dest} has no help"
            if action.help != argparse.SUPPRESS:
                assert all(flag in text for flag in action.option_strings)


def test_every_environment_variable_is_documented() -> None:
    sources = [*(ROOT / "fwhelpers").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]
    read = {
        name
        for file in sources
        for name in re.findall(r"environ\S*\(?\[?\"(FWHELPERS_\w+)", file.read_text())
    }
    read.add(plugins.BLOCK_VARIABLE)
    assert read == set(commands.ENVIRONMENT)


def test_every_key_is_documented() -> None:
    text = plain("fwhelpers.toml.5")
    for table, rows in schema.TABLES.items():
        _, matches, section = text.partition(f'.SH "[{table}]"')
        assert matches, table
        section = section.split("\n.SH")[0]
        for key in rows:
            assert f"\n{key.name} ({key.type})\n" in section, f"{table}.{key.name}"


def test_every_helper_s_setting_is_documented() -> None:
    text = plain("fwhelpers.toml.5")
    for helper in plugins.load(blocked=["*"]).helpers.values():
        for setting in helper.settings:
            _, matches, section = text.partition(f'.SS "[helpers.{helper.name}]"')
            assert matches, helper.name
            assert f"\n{setting.name}\n" in section.split("\n.SS")[0]


def test_the_reference_in_docs_is_current() -> None:
    page = settings.markdown(plugins.load(blocked=["*"]).helpers)
    assert (ROOT / "docs/configuration.md").read_text() == page, "make it anew: ./dev pages"


def test_every_hook_is_documented() -> None:
    text = plain("fwhelpers-plugin.7")
    assert plugin.hooks()
    for name, hook in plugin.hooks().items():
        assert hook.__doc__, name
        assert f"\n{name}()\n" in text


def test_the_whole_api_is_documented() -> None:
    text = plain("fwhelpers-plugin.7")
    shown = {name for names in plugin.SECTIONS.values() for name in names}
    assert shown | {"Event", "hookimpl", "KERNEL_HELPERS", "MAX_COUNT"} == set(api.__all__)
    for name in shown:
        cls = getattr(api, name)
        assert cls.__doc__, name
        assert f'.SS "{name}' in text
        for member in members(cls):
            inherited = any(hasattr(base, member.name) for base in cls.__bases__)
            assert member.doc or inherited, f"{name}.{member.name} has no documentation"
    assert all(name in text for name in ("Playbook", "invariants", "replay", "@hookimpl"))
    assert testing.Playbook.__doc__


def test_pages_are_dated_as_reproducible_builds_want(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    for text in pages().values():
        assert text.startswith(".TH ")
        assert '"1970-01-02"' in text.splitlines()[0]


def test_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage" in capsys.readouterr().err
    assert main([str(tmp_path / "new")]) == 0
    assert {file.name for file in (tmp_path / "new").iterdir()} == set(PAGES)
