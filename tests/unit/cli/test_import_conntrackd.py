"""`import-conntrackd`: all or nothing, on stdout or in a new file."""

from __future__ import annotations

from pathlib import Path

import pytest

from fwhelpers import config
from fwhelpers.cli.main import main
from fwhelpers.plugin import manager as plugins

CONF = "General { }\nHelper {\nType ftp inet tcp { }\nType lamp inet tcp { }\n}\n"
RULES = "-A PREROUTING -p tcp --dport 2121 -j CT --helper ftp\n"


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    file = tmp_path / "conntrackd.conf"
    file.write_text(CONF)
    return file


def test_stdout_and_stderr(conf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import-conntrackd", str(conf)]) == 0
    out, err = capsys.readouterr()
    assert "# conntrackd.conf:3: Type ftp inet tcp\n[helpers.ftp]\n" in out
    assert str(conf.parent) not in out
    assert err.splitlines() == [
        f"fwhelpers: {conf}:1: omitted sections that do not concern helpers: General",
        f"fwhelpers: {conf}:4: omitted Type lamp inet tcp: it is not one of conntrackd's own helpers, and no plugin"
        " of that name is installed",
    ]  # fmt: skip


def test_a_file_that_check_takes(conf: Path, tmp_path: Path) -> None:
    rules, output = tmp_path / "rules.v4", tmp_path / "made.toml"
    rules.write_text(RULES)
    command = ["import-conntrackd", str(conf), "--rules", str(rules), "--output", str(output)]
    assert main(command) == 0
    loaded = config.resolve(config.load(output), plugins.load().helpers)
    assert loaded.helpers["ftp"].ports == (2121,)


def test_a_file_that_is_there_stays(conf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import-conntrackd", str(conf), "--output", str(conf)]) == 1
    assert conf.read_text() == CONF
    assert "file exists\nhint: move it away" in capsys.readouterr().err


def test_a_mistake_is_one_line_and_nothing_is_written(
    conf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    conf.write_text("Helper {\nType ftp inet\n}\n")
    output = tmp_path / "made.toml"
    assert main(["import-conntrackd", str(conf), "--output", str(output)]) == 1
    assert not output.exists()
    message = f"fwhelpers: error: {conf}:3: }} where tcp or udp belongs, write tcp or udp\n"
    assert capsys.readouterr() == ("", message)


def test_two_helpers_on_one_port_are_refused(
    conf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    conf.write_text("Helper { Type ftp inet tcp { } Type tns inet tcp { } }")
    rules = tmp_path / "rules.v4"
    rules.write_text(RULES + RULES.replace("ftp", "tns"))
    assert main(["import-conntrackd", str(conf), "--rules", str(rules)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert f"{conf}: helpers.tns: tcp port 2121 is already used by ftp" in err


def test_no_helper_at_all(conf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    conf.write_bytes(b"# caf\xe9\n")
    assert main(["import-conntrackd", str(conf)]) == 0
    assert capsys.readouterr().err == f"fwhelpers: {conf}: no helper was converted\n"


@pytest.mark.parametrize("missing", ["file", "rules"])
def test_a_file_that_is_not_there(
    conf: Path, missing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = str(conf.parent / "absent")
    arguments = [absent] if missing == "file" else [str(conf), "--rules", absent]
    assert main(["import-conntrackd", *arguments]) == 1
    assert capsys.readouterr().err == f"fwhelpers: error: {absent}: No such file or directory\n"


def test_a_disk_that_is_full_leaves_no_half(
    conf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "made.toml"
    opened = Path.open

    def full(self: Path, *arguments: str, **options: str) -> object:
        if self == output:
            opened(self, "x").close()
            raise OSError(28, "No space left on device", str(self))
        return opened(self, *arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", full)
    assert main(["import-conntrackd", str(conf), "--output", str(output)]) == 1
    assert not output.exists()
