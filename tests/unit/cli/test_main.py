"""The command as a whole: exit status, errors with hints, no traceback, quick to start."""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fwhelpers import __version__, cli
from fwhelpers.cli import build
from fwhelpers.cli import main as command

CAPTURE = str(Path(__file__).parents[2] / "captures/own/ftp-ipv4.pcap")


def fwhelpers(*arguments: str) -> subprocess.CompletedProcess[str]:
    command_line = [sys.executable, "-P", "-m", "fwhelpers", *arguments]
    return subprocess.run(command_line, capture_output=True, text=True, check=False)


def test_version() -> None:
    assert fwhelpers("--version").stdout == f"fwhelpers {__version__} ({build.kind()})\n"


@pytest.mark.parametrize("arguments", [[], ["nosuch"], ["list", "--nosuch"], ["replay"]])
def test_a_usage_error_has_status_2(arguments: list[str]) -> None:
    done = fwhelpers(*arguments)
    assert done.returncode == 2
    assert "usage: " in done.stderr


def test_bad_config_is_an_error_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "fwhelpers.toml").write_text("[daemon]\nworkers = -1\nqeues = 5\n")
    done = fwhelpers("ruleset", "--config", str(tmp_path))
    assert done.returncode == 1
    assert done.stdout == ""
    file = tmp_path / "fwhelpers.toml"
    assert done.stderr == (
        f"fwhelpers: error: {file}: daemon.workers: -1 is out of range\n"
        "hint: use 0 to 64\n"
        f"fwhelpers: error: {file}: daemon.qeues: unknown key\n"
        "hint: did you mean queues?\n"
    )


def test_a_closed_pipe_is_no_error() -> None:
    script = f"{sys.executable} -m fwhelpers completion zsh | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.strip() in ("141", "0")  # 0: all fitted into the pipe before


def test_help_imports_almost_nothing() -> None:
    code = (
        "import sys\nfrom fwhelpers.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print(*sorted(m for m in sys.modules if m.startswith(('fwhelpers', 'asyncio', 'pluggy'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].split() == [
        "fwhelpers", "fwhelpers.cli", "fwhelpers.cli.argument_parser", "fwhelpers.cli.argument_types",
        "fwhelpers.cli.errors", "fwhelpers.cli.help_texts",
        "fwhelpers.cli.main", "fwhelpers.cli.parser",
    ]  # fmt: skip


def test_listing_needs_neither_daemon_nor_netlink() -> None:
    code = (
        "import sys\nfrom fwhelpers.cli.main import main\nmain(['list'])\n"
        "print(*(m for m in sys.modules if m.startswith(('fwhelpers.daemon', 'fwhelpers.kernel.s',"
        " 'asyncio', 'pyroute2', 'nftables'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == ""


Act = Callable[[argparse.Namespace], int]


def run(monkeypatch: pytest.MonkeyPatch, act: Act) -> int:
    monkeypatch.setattr(command, "_target", lambda name: act)
    return command.main(["list"])


def raising(error: BaseException) -> Act:
    def act(arguments: argparse.Namespace) -> int:
        raise error

    return act


def test_the_exit_status_is_the_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, lambda arguments: 1) == 1


def test_interruption_is_quiet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, raising(KeyboardInterrupt())) == 130
    assert capsys.readouterr() == ("", "")


def test_an_internal_error_has_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, raising(ZeroDivisionError("by zero"))) == 1
    err = capsys.readouterr().err
    assert err.startswith("fwhelpers: error: internal error: ZeroDivisionError: by zero\nhint: ")


def test_debug_raises_internal_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FWHELPERS_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        run(monkeypatch, raising(ZeroDivisionError()))


def test_every_command_has_an_implementation() -> None:
    # a typo would otherwise be noticed only when the command is used
    parser = cli.parser.build()
    for words in (["run"], ["check"], ["list"], ["ruleset"], ["counters"], ["monitor"],
                  ["replay", "x"], ["status"], ["expectations"], ["enable", "x"], ["disable", "x"],
                  ["reload"], ["register"], ["release"], ["unregister"], ["takeover"], ["zones"],
                  ["completion", "bash"]):  # fmt: skip
        assert callable(command._target(parser.parse_args(words).target))


def test_what_the_terminals_encoding_lacks_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr("sys.stdout", out)
    assert run(monkeypatch, lambda arguments: print("a → b") or 0) == 0
    assert out.buffer.getvalue() == b"a \\u2192 b\n"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "arguments",
    [
        ["explain", "10.0.1.2", "10.0.2.2"],
        ["explain", "10.0.1.2", "fd02::2", "21"],
        ["replay", "--anonymise", CAPTURE],
        ["replay", "--port", "21", CAPTURE],
        ["replay", "--link", "x", CAPTURE],
    ],
)
def test_arguments_that_do_not_fit_together_have_status_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(arguments) == 2
    assert capsys.readouterr().err.startswith("fwhelpers: error: ")


@pytest.mark.parametrize("arguments", ["list", "completion zsh", "--help", f"replay {CAPTURE}"])
def test_closed_standard_streams_are_no_bug(arguments: str) -> None:
    line = f"{sys.executable} -P -m fwhelpers {arguments}"
    for closed in (">&-", "2>&-", "<&-", "<&- >&- 2>&-"):
        script = f"{line} {closed}"
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), closed


@pytest.mark.parametrize("arguments", ["list", "--help", "--version", "list --help"])
def test_a_full_disk_is_an_error_in_one_line(arguments: str) -> None:
    script = f"{sys.executable} -P -m fwhelpers {arguments} >/dev/full"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "fwhelpers: error: No space left on device\n")
