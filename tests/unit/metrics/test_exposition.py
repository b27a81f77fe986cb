"""The formats, read again by the library's parsers and by promtool."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text
from promtool import promtool
from statistics_reply import helper, service, worker

from fwhelpers.metrics import exposition
from fwhelpers.metrics.families import Statistics

HOSTILE = 'a"} 1\nfwhelpers_up 0\n# EOF\n\\\x1b[2J'


def statistics(name: str = "ftp") -> Statistics:
    return Statistics(service(), [helper(name)], [worker()])


def test_openmetrics_is_valid() -> None:
    text = exposition.openmetrics(statistics)
    assert text.endswith("# EOF\n")
    families = {family.name: family for family in read_openmetrics(text)}
    assert families["fwhelpers_events"].type == "counter"
    assert len(families) == 22


def test_text_cannot_add_lines() -> None:
    text = exposition.openmetrics(lambda: statistics(HOSTILE))
    samples = [sample for family in read_openmetrics(text) for sample in family.samples]
    assert [s.value for s in samples if s.name == "fwhelpers_up"] == [1.0]
    assert {s.labels["helper"] for s in samples if "helper" in s.labels} == {HOSTILE}
    assert text.count("\n") == exposition.openmetrics(statistics).count("\n")


def test_the_file_is_in_the_older_format(tmp_path: Path) -> None:
    file = tmp_path / "fwhelpers.prom"
    file.write_text("old")
    exposition.write(file, statistics)
    types = {family.name: family.type for family in read_text(file.read_text())}
    assert types["fwhelpers_events"] == "counter"
    assert set(types.values()) == {"gauge", "counter"}
    assert [path.name for path in tmp_path.iterdir()] == ["fwhelpers.prom"]
    assert file.stat().st_mode & 0o777 == 0o644


def test_the_file_is_replaced_and_never_half_written(tmp_path: Path) -> None:
    file = tmp_path / "fwhelpers.prom"
    file.write_text("old")
    with file.open() as reader:

        def fetch() -> None:
            assert file.read_text() == "old"

        exposition.write(file, fetch)
        assert reader.read() == "old"  # a reader keeps the file that it has opened
    assert "fwhelpers_up 0.0\n" in file.read_text()


def test_a_directory_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        exposition.write(tmp_path / "none" / "file", statistics)


def test_promtool_finds_nothing(tmp_path: Path) -> None:
    exposition.write(tmp_path / "file", statistics)
    text = (tmp_path / "file").read_text()
    done = promtool("check", "metrics", stdin=text)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
