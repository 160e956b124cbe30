"""Evaluate an alert rule as Grafana does at one moment: its queries, the last value of each instance, the threshold, and the summary."""
import json
import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal

from expand import alert_rules, ask, expand


def instances(result):
    """The last value by labels: a column of text is a label."""
    labels = [name for name, kind in result.types.items() if kind == "text"]
    value, = [name for name in result.types if name != "time" and name not in labels]
    found = {}
    for row in result.rows:
        found[tuple((label, row[label]) for label in labels)] = row[value]
    assert len(found) == len(result.rows), "two rows have the same labels"
    return found


def rendered(text, labels, values):
    """The templates that the rules use, and no more."""
    text = re.sub(r"\{\{ if \$labels\.(\w+) \}\}(.*?)\{\{ end \}\}", lambda match: match[2] if labels.get(match[1]) else "", text)
    text = re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda match: str(labels[match[1]]), text)
    text = re.sub(r"\{\{ \$values\.(\w+) \}\}", lambda match: format(values[match[1]].normalize(), "f") if values.get(match[1]) is not None
                  else "NaN" if match[1] in values else "[no value]", text)
    assert "{{" not in text, text
    return text


def evaluate(rule, now):
    """[{labels, firing, summary}]"""
    asked = [data for data in rule["data"] if data["datasourceUid"] != "__expr__"]
    sql = [expand(data["model"]["rawSql"], now - timedelta(seconds=data["relativeTimeRange"]["from"]), now, 60, {}, {}) for data in asked]
    results = {}
    for data, result in zip(asked, ask(sql)):
        assert not isinstance(result, str), result
        assert not result.divisions, "divides whole numbers"
        results[data["refId"]] = instances(result)
    models = {data["refId"]: data["model"] for data in rule["data"]}
    reduced = {ref: results[model["expression"]] for ref, model in models.items() if model.get("type") == "reduce"}
    condition = models[rule["condition"]]
    limit = condition["conditions"][0]["evaluator"]["params"][0]
    for labels, value in reduced[condition["expression"]].items():
        values = {ref: found.get(labels) for ref, found in reduced.items()}
        values = {ref: None if value is None else Decimal(str(value)) for ref, value in values.items()}
        yield {"labels": dict(labels), "firing": value is not None and value > limit,
               "summary": rendered(rule["annotations"]["summary"], dict(labels), values)}


def print_rule(title):
    rule, = [rule for rule in alert_rules() if rule["title"] == title]
    for instance in evaluate(rule, datetime.now(timezone.utc)):
        print(json.dumps(instance, ensure_ascii=False, sort_keys=True))
