from __future__ import annotations

import pickle

from fwhelpers.engine.guard import Limits, Prefix
from fwhelpers.worker.config import HelperOptions, WorkerConfig

FTP = HelperOptions({}, Limits())


def test_other_plugins_need_another_worker() -> None:
    config = WorkerConfig({"ftp": FTP}, ("bad",), ("fwhelpers ftp",))
    assert config.same_code(WorkerConfig({}, ("bad",), ("fwhelpers ftp",), disable_at_end=True))
    assert not config.same_code(WorkerConfig({"ftp": FTP}, (), ("fwhelpers ftp",)))
    assert not config.same_code(WorkerConfig({"ftp": FTP}, ("bad",), ("fwhelpers ftp", "new new")))


def test_the_worker_receives_what_the_manager_sent() -> None:
    limits = Limits("announced", (Prefix(bytes((10, 0, 0, 0)), 8),), 1024, frozenset({22}))
    config = WorkerConfig({"ftp": HelperOptions({"sloppy": True}, limits)}, max_expectations=7)
    assert pickle.loads(pickle.dumps(config)) == config
