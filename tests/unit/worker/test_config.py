from __future__ import annotations

from fwhelpers.engine.guard import Limits
from fwhelpers.worker.config import HelperOptions, WorkerConfig

FTP = HelperOptions({}, Limits())


def test_other_plugins_need_another_worker() -> None:
    config = WorkerConfig({"ftp": FTP}, ("bad",), ("fwhelpers ftp",))
    assert config.same_code(WorkerConfig({}, ("bad",), ("fwhelpers ftp",), disable_at_end=True))
    assert not config.same_code(WorkerConfig({"ftp": FTP}, (), ("fwhelpers ftp",)))
    assert not config.same_code(WorkerConfig({"ftp": FTP}, ("bad",), ("fwhelpers ftp", "new new")))
