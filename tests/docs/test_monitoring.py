"""Alert rules and dashboard: valid, and about metrics and labels that there are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from promtool import promtool
from statistics_reply import helper, service, worker

from fwhelpers.metrics.families import Statistics, families

PACKAGING = Path(__file__).parents[2] / "packaging"
RULES = PACKAGING / "prometheus/fwhelpers.rules.yml"
DASHBOARD = json.loads((PACKAGING / "grafana/fwhelpers.json").read_text())

#: labels and the values of those with a fixed set, by sample name
SAMPLES: dict[str, list[dict[str, str]]] = {}
for family in families(Statistics(service(), [helper()], [worker()])):
    for sample in family.samples:
        SAMPLES.setdefault(sample.name, []).append(sample.labels)

ALERTS = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
PANELS = DASHBOARD["panels"]
EXPRESSIONS = [rule["expr"] for rule in ALERTS] + [
    target["expr"] for panel in PANELS for target in panel["targets"]
]


def selectors(expression: str) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    for name, matchers in re.findall(r"\b(fwhelpers_\w+)(\{[^}]*\})?", expression):
        yield name, re.findall(r'(\w+)(=~?)"([^"]*)"', matchers)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_expressions_are_about_metrics_that_there_are(expression: str) -> None:
    uses = list(selectors(expression))
    assert uses
    for name, matchers in uses:
        assert name in SAMPLES, name
        for label, operator, value in matchers:
            if label == "instance":  # Prometheus adds it
                continue
            assert operator == "="
            assert value in {labels.get(label) for labels in SAMPLES[name]}, (label, value)
    grouping = [
        label
        for labels in re.findall(r"by \(([^)]*)\)", expression)
        for label in labels.split(", ")
    ]
    for label in grouping:
        assert label == "instance" or any(label in SAMPLES[name][0] for name, _ in uses)


def test_counters_are_used_as_rates_only() -> None:
    for expression in EXPRESSIONS:
        for function, name in re.findall(r"(\w*)\(?\b(fwhelpers_\w+_total)", expression):
            assert function in ("rate", "increase"), (expression, name)


def test_alerts_are_complete() -> None:
    names = [rule["alert"] for rule in ALERTS]
    assert len(set(names)) == len(names) == 10
    for rule in ALERTS:
        assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"].keys() == {"summary", "description"}
        for label in re.findall(r"\$labels\.(\w+)", str(rule["annotations"])):
            names_used = [name for name, _ in selectors(rule["expr"])]
            assert label == "instance" or label in SAMPLES[names_used[0]][0]


def test_the_dashboard_has_what_grafana_requires() -> None:
    assert DASHBOARD["uid"] == "fwhelpers"
    assert DASHBOARD["schemaVersion"] >= 36
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    for panel in PANELS:
        assert panel["type"] in ("stat", "timeseries")
        assert panel["datasource"]["uid"] == "${datasource}"
        for target in panel["targets"]:
            used = set(re.findall(r"\$(\w+)", target["expr"])) - {"__rate_interval"}
            assert used <= variables


def test_panels_do_not_overlap() -> None:
    cells: set[tuple[int, int]] = set()
    for panel in PANELS:
        place: dict[str, Any] = panel["gridPos"]
        area = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not area & cells, panel["title"]
        assert all(x < 24 for x, _ in area)
        cells |= area


def test_promtool_accepts_the_rules() -> None:
    done = promtool("check", "rules", str(RULES))
    assert done.returncode == 0, done.stdout + done.stderr
