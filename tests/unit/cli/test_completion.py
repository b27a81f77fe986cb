"""Completion: the packaged files are what the command prints, and bash completes with it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from fwhelpers.cli import completion

PACKAGED = Path(__file__).parents[3] / "packaging" / "completion"
FILES = {"bash": "fwhelpers.bash", "zsh": "_fwhelpers", "fish": "fwhelpers.fish"}


@pytest.mark.parametrize("shell", FILES)
def test_the_packaged_file_is_current(shell: str) -> None:
    file = PACKAGED / FILES[shell]
    remedy = f"fwhelpers completion {shell} > packaging/completion/{FILES[shell]}"
    assert file.read_text() == completion.script(shell), f"make it anew: {remedy}"


@pytest.mark.parametrize("shell", FILES)
def test_the_shell_can_read_it(shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"no {shell}")
    checked = subprocess.run(
        [shell, "-n", str(PACKAGED / FILES[shell])], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("shell", FILES)
def test_every_command_and_option_is_in_it(shell: str) -> None:
    script = completion.script(shell)
    for command in completion.commands():
        assert command.name in script
        for option in command.options:
            assert option.flag.removeprefix("--") in script


def complete(words: list[str], folder: Path) -> list[str]:
    quoted = " ".join(f"'{word}'" for word in words)
    script = f"""
        compopt() {{ :; }}  # works only inside a completion that readline began
        source {PACKAGED}/fwhelpers.bash
        COMP_WORDS=({quoted}) COMP_CWORD={len(words) - 1}
        _fwhelpers
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=True, cwd=folder
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["fwhelpers", "re"], ["reload", "replay", "register", "release", "replicate"]),
        (["fwhelpers", "--v"], ["--version"]),
        (["fwhelpers", "check", "--"], ["--help", "--config", "--json"]),
        (["fwhelpers", "check", "--config", "da"], ["data.pcap"]),
        (["fwhelpers", "check", "da"], []),
        (["fwhelpers", "replay", "da"], ["data.pcap"]),
        (["fwhelpers", "replay", "--j"], ["--json"]),
        (["fwhelpers", "replay", "--port", ""], []),
        (["fwhelpers", "completion", ""], ["bash", "zsh", "fish", "--help"]),
    ],
)
def test_bash(words: list[str], expected: list[str], tmp_path: Path) -> None:
    (tmp_path / "data.pcap").touch()
    assert complete(words, tmp_path) == expected
