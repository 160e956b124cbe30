#!/usr/bin/env python3
"""Read Prometheus' text format, strictly, and print the metrics of Sellometer, or what is wrong with them.

    read.py < METRICS            a line each, between tabs: NAME LABELS VALUE TYPE HELP; labels as JSON, without what the exporter
                                 adds; none of what has no value (NaN)
    read.py rules FILE < METRICS names in the expressions of alert rules that there is no such metric of; the form of the rules
    read.py queries FILE         the columns of a query file, as they will be called: NAME TYPE HELP
"""
import json
import math
import re
import sys

import yaml
from prometheus_client.parser import text_string_to_metric_families

NAME = re.compile(r"sellometer(_[a-z]+)+")
ADDED = {"server"}                  # by prometheus-postgres-exporter


def metrics(text):
    """Of a counter the parser takes off _total, and says so of the family; its samples have their whole names."""
    seen = set()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if not sample.name.startswith("sellometer_"):
                continue
            labels = {key: value for key, value in sample.labels.items() if key not in ADDED}
            identity = (sample.name, json.dumps(labels, sort_keys=True))
            if not NAME.fullmatch(sample.name):
                sys.exit(f"not the name of a metric: {sample.name}")
            if identity in seen:
                sys.exit(f"twice: {identity}")
            if (family.type == "counter") != sample.name.endswith("_total"):
                sys.exit(f"{sample.name} is a {family.type}")
            seen.add(identity)
            yield *identity, sample.value, family.type, family.documentation


def rules(path, known):
    with open(path, encoding="utf-8") as file:
        groups = yaml.safe_load(file)["groups"]
    for rule in (rule for group in groups for rule in group["rules"]):
        used = set(re.findall(r"\bsellometer_\w+", rule["expr"]))
        yield from (f"{rule['alert']}: there is no {name}" for name in sorted(used - known))
        if not used:
            yield f"{rule['alert']}: looks at nothing"
        if set(rule) - {"alert", "expr", "for", "labels", "annotations"} or "summary" not in rule["annotations"]:
            yield f"{rule['alert']}: unknown fields, or no summary"
        if "for" in rule and not re.fullmatch(r"\d+[smhd]", rule["for"]):
            yield f"{rule['alert']}: for {rule['for']}"


def queries(path):
    with open(path, encoding="utf-8") as file:
        for prefix, query in yaml.safe_load(file).items():
            for column in query["metrics"]:
                (name, one), = column.items()
                if one["usage"] != "LABEL":
                    yield f"{prefix}_{name}", one["usage"].lower(), one["description"]


def main():
    if sys.argv[1:2] == ["queries"]:
        lines = queries(sys.argv[2])
    elif sys.argv[1:2] == ["rules"]:
        lines = ((fault,) for fault in rules(sys.argv[2], {line[0] for line in metrics(sys.stdin.read())}))
    else:
        lines = ((name, labels, repr(value), *rest) for name, labels, value, *rest in metrics(sys.stdin.read()) if not math.isnan(value))
    for line in lines:
        print("\t".join(line))


if __name__ == "__main__":
    main()
