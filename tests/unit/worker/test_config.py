from __future__ import annotations

from fwhelpers.worker.config import WorkerConfig


def test_other_plugins_need_another_worker() -> None:
    config = WorkerConfig({"ftp": {}}, ("bad",), ("fwhelpers ftp",))
    assert config.same_code(WorkerConfig({}, ("bad",), ("fwhelpers ftp",), disable_at_end=True))
    assert not config.same_code(WorkerConfig({"ftp": {}}, (), ("fwhelpers ftp",)))
    assert not config.same_code(WorkerConfig({"ftp": {}}, ("bad",), ("fwhelpers ftp", "new new")))
