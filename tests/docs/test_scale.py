"""docs/scale.md: its configuration is valid and merges as it says, and its limits are the source's."""

from __future__ import annotations

import re
from pathlib import Path

from fwhelpers.cli.common import read
from fwhelpers.daemon.worker_config import max_expectations
from fwhelpers.dbus import names
from fwhelpers.engine import flow_table, registry
from fwhelpers.engine.guard import Limits
from fwhelpers.events import tracker
from fwhelpers.plugin.validation import MAX_POLICIES
from fwhelpers.worker import reporter

PAGE = (Path(__file__).parents[2] / "docs/scale.md").read_text()
FILES = re.findall(r"`(\d+-\w+\.toml)`[^\n]*\n\n((?:(?: {4}.*)?\n)+)", PAGE)


def test_the_files_merge_as_the_page_says(tmp_path: Path) -> None:
    folder = tmp_path / "conf.d"
    folder.mkdir()
    assert [name for name, _ in FILES] == ["10-fleet.toml", "50-site.toml"]
    for name, text in FILES:
        (folder / name).write_text("\n".join(line[4:] for line in text.splitlines()))
    helpers = read(tmp_path).config.helpers
    assert set(helpers) == {"ftp", "rpc", "tftp"}
    assert [str(net) for net in helpers["rpc"].destinations] == ["198.51.100.0/24"]
    assert helpers["rpc"].settings["programs"]
    (folder / "60-site.toml").write_text("[helpers.ftp]\nenabled = false\n")
    assert set(read(tmp_path).config.helpers) == {"rpc", "tftp"}


def limit(name: str) -> list[int]:
    """The numbers in a row of the table of limits."""
    (row,) = re.findall(rf"^\| {re.escape(name)}[^|]*\| ([^|]*)\|", PAGE, re.M)
    return [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", row)]


def test_the_limits_are_those_of_the_source() -> None:
    assert limit("classes of a helper") == [MAX_POLICIES]
    assert limit("live expectations of all workers") == [registry.MAX_ALIVE, 256]
    assert [max_expectations(workers, 1 << 20) for workers in (1, 4, 8)] == [1024, 256, 256]
    assert limit("new expectations of a worker") == [registry.MAX_RATE]
    assert limit("expectations of a client and helper") == [Limits().max_per_source]
    assert limit("new expectations of a client and helper") == [Limits().rate]
    assert registry.PARTY_SHARE == 4
    assert limit("flows of a worker") == [flow_table.MAX_FLOWS]
    assert limit("bytes of half-read") == [flow_table.MAX_BUFFERED >> 20]
    assert limit("expectations that the manager follows") == [tracker.MAX_TRACKED]
    assert limit("connections that it follows") == [tracker.MAX_CHILDREN, tracker.MAX_OF_ONE]
    assert flow_table.FLOWS_SHARE == 4
    assert limit("reports of expectations") == [reporter.REPORTS_A_SECOND]
    assert names.MANAGE in PAGE
