"""The files of the configuration: which are read, in which order, and what stands in the way."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from fwhelpers import config
from fwhelpers.config import files


def test_the_directory_is_read_in_order(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "fwhelpers.toml").write_text("[daemon]\nqueues = 1")
    (tmp_path / "conf.d" / "20.toml").write_text("[daemon]\nqueues = 3")
    (tmp_path / "conf.d" / "10.toml").write_text("[daemon]\nqueues = 2\nworkers = 9")
    (tmp_path / "conf.d" / "30.toml.bak").write_text("[daemon]\nqueues = 4")
    daemon = config.resolve(config.load(tmp_path), {}).daemon
    assert (daemon.queues, daemon.workers) == (3, 9)


def test_a_single_file_can_be_given(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text("[daemon]\nqueues = 1")
    assert config.load(tmp_path / "one.toml").daemon.queues == 1


def test_a_missing_named_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(config.ConfigError, match="no such directory"):
        config.resolve(config.load(tmp_path / "none"), {})


def test_a_missing_default_directory_is_an_empty_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "fwhelpers"
    monkeypatch.setattr(files, "DIRECTORY", directory)
    assert config.resolve(config.load(directory), {}) == config.Config()
    directory.symlink_to(tmp_path / "nowhere")
    with pytest.raises(config.ConfigError, match="no such directory"):
        config.resolve(config.load(directory), {})


def test_unreadable_and_undecodable_files_are_problems(tmp_path: Path) -> None:
    (tmp_path / "fwhelpers.toml").mkdir()
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "a.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(config.ConfigError) as caught:
        config.resolve(config.load(tmp_path), {})
    assert [problem.message for problem in caught.value.problems] == [
        "cannot be read: Is a directory",
        "not UTF-8 (byte 0)",
    ]


@pytest.mark.parametrize("name", ["fwhelpers.toml", "conf.d", "conf.d/limits.toml"])
def test_a_link_that_leads_nowhere_is_a_problem(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).symlink_to(tmp_path / "nowhere")
    with pytest.raises(config.ConfigError, match="No such file or directory"):
        config.resolve(config.load(tmp_path), {})


@pytest.mark.skipif(os.geteuid() != 0, reason="another user is needed, which only root can become")
@pytest.mark.parametrize("closed", ["fwhelpers", "fwhelpers/fwhelpers.toml", "fwhelpers/conf.d",
                                    "fwhelpers/conf.d/limits.toml", "."])  # fmt: skip
def test_what_the_services_user_cannot_read_is_a_problem(closed: str) -> None:
    """A reload reads as that user: limits that it can't see must not be dropped without a word."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        directory = root / "fwhelpers"
        (directory / "conf.d").mkdir(parents=True)
        (directory / "fwhelpers.toml").write_text("[helpers.ftp]")
        (directory / "conf.d" / "limits.toml").write_text('[helpers.ftp]\nsources = ["10.0.0.0/8"]')
        assert not config.load(directory).problems
        (root / closed).chmod(0)
        os.seteuid(65534)
        try:
            problems = config.load(directory).problems
        finally:
            os.seteuid(0)
    assert problems
    assert all("Permission denied" in str(problem) for problem in problems)
