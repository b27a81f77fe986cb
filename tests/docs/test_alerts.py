"""Each alert fires when it should, and only then: `promtool test rules` with invented series."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from promtool import promtool

RULES = Path(__file__).parents[2] / "packaging/prometheus/fwhelpers.rules.yml"
ALERTS = {
    rule["alert"]: rule
    for group in yaml.safe_load(RULES.read_text())["groups"]
    for rule in group["rules"]
}

QUEUE, FTP = {"queue": "1000"}, {"helper": "ftp"}
_BYTES, _LIMIT = "worker_queue_memory_bytes", "worker_queue_memory_limit_bytes"

Series = dict[str, str]

#: alert: labels of its series, minute of the evaluation, series that fire, series that do not.
#: A value a minute, as promtool writes them: 1x20 is 1 twenty-one times, 0+2x20 is 0, 2 … 40.
CASES: dict[str, tuple[dict[str, str], int, Series, Series]] = {
    "FwhelpersDown": ({}, 3, {"up": "0x20"}, {"up": "0 0 1x20"}),
    "FwhelpersWorkerNotReady": (QUEUE, 3, {"worker_ready": "0x20"}, {"worker_ready": "1 0 1x20"}),
    "FwhelpersTakeoverLosses": (
        {"result": "lost"}, 1,
        {"last_takeover_expectations": "1x20"}, {"last_takeover_expectations": "0x20"},
    ),
    "FwhelpersNotReplicated": (
        {}, 3, {"replication_connected": "0x20"}, {"replication_connected": "0 0 1x20"},
    ),
    "FwhelpersWorkerRestarts": (
        QUEUE, 16, {"worker_restarts_total": "0+1x20"}, {"worker_restarts_total": "0x8 1x12"},
    ),
    "FwhelpersQueueOverflows": (
        QUEUE, 7,
        {"worker_queue_overflows_total": "0x4 3x20"}, {"worker_queue_overflows_total": "3x20"},
    ),
    "FwhelpersQueueFills": (
        QUEUE, 3, {_BYTES: "600x20", _LIMIT: "1000x20"}, {_BYTES: "600x20", _LIMIT: "0x1 2000x20"},
    ),
    "FwhelpersHelperNotRegistered": (
        FTP, 7,
        {"helper_enabled": "1x20", "helper_registered": "0x20"},
        {"helper_enabled": "0x20", "helper_registered": "0x20"},
    ),
    "FwhelpersManyRefusals": (
        FTP, 18,
        {'events_total{event="refused"}': "0+120x30"},
        {'events_total{event="refused"}': "0+30x30", 'events_total{event="created"}': "0+999x30"},
    ),
    "FwhelpersHelperFails": (
        FTP, 7,
        {'reports_total{kind="failed"}': "0x4 1x20"},
        {'reports_total{kind="failed"}': "1x20", 'reports_total{kind="expected"}': "0+9x20"},
    ),
}  # fmt: skip


def series(values: Series, labels: dict[str, str]) -> list[dict[str, str]]:
    shared = ", ".join(f'{name}="{value}"' for name, value in labels.items())
    rows = []
    for name, numbers in values.items():
        metric, _, own = name.partition("{")
        every = ", ".join(filter(None, (own.rstrip("}"), shared)))
        rows.append({"series": f"fwhelpers_{metric}{{{every}}}", "values": numbers})
    return rows


def expected(alert: str, labels: dict[str, str]) -> dict[str, Any]:
    """Return the alert as promtool expects it, its annotations with the values of the labels."""
    rule = ALERTS[alert]
    annotations = {
        name: re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda match: labels[match[1]], text)
        for name, text in rule["annotations"].items()
    }
    extra = {"kind": "failed"} if alert == "FwhelpersHelperFails" else {}
    return {"exp_labels": {**labels, **rule["labels"], **extra}, "exp_annotations": annotations}


def test_each_alert_has_a_case() -> None:
    assert CASES.keys() == ALERTS.keys()


@pytest.mark.parametrize("alert", CASES)
def test_it_fires_only_when_it_should(alert: str, tmp_path: Path) -> None:
    own, minute, firing, quiet = CASES[alert]
    labels = {"instance": "gateway", **own}
    tests = [
        {
            "interval": "1m",
            "input_series": series(values, labels),
            "alert_rule_test": [
                {"eval_time": f"{minute}m", "alertname": alert, "exp_alerts": alerts}
            ],
        }
        for values, alerts in ((firing, [expected(alert, labels)]), (quiet, []))
    ]
    file = tmp_path / "alerts.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "tests": tests}))
    done = promtool("test", "rules", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
