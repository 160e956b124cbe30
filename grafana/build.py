#!/usr/bin/env python3
"""Write the dashboards and alert rules for Grafana.

    grafana/build.py            write dashboards/*.json and provisioning/alerting/rules.yaml
    grafana/build.py --check    say which of them are not what this would write, and fail if any is
"""
import json
import pathlib
import sys

from alerts_carts import alerts_carts
from live import live
from operations import operations
from rules import rules
from sales import sales

HERE = pathlib.Path(__file__).resolve().parent


def yaml(value, indent=0):
    """As YAML: mappings and lists in blocks, long text as a literal, other scalars as in JSON."""
    pad = "  " * indent
    if isinstance(value, dict):
        text = ""
        for key, one in value.items():
            if isinstance(one, (dict, list)) and one:
                text += f"{pad}{key}:\n{yaml(one, indent + 1)}"
            elif isinstance(one, str) and "\n" in one:
                text += f"{pad}{key}: |-\n" + "".join(f"{pad}  {line}\n" for line in one.split("\n"))
            else:
                text += f"{pad}{key}: {json.dumps(one, ensure_ascii=False)}\n"
        return text
    if all(not isinstance(one, (dict, list)) for one in value):
        return "".join(f"{pad}- {json.dumps(one, ensure_ascii=False)}\n" for one in value)
    return "".join(f"{pad}- {yaml(one, indent + 1).lstrip()}" for one in value)


def files():
    boards = {"live": live(), "sales": sales(), "alerts-carts": alerts_carts(), "operations": operations()}
    for name, board in boards.items():
        yield f"dashboards/{name}.json", json.dumps(board, indent=2, ensure_ascii=False) + "\n"
    yield ("provisioning/alerting/rules.yaml",
           "# Written by grafana/build.py.  Who is told is left to you: add a contact point and a notification policy.\n" + yaml(rules(boards.values())))


def main():
    stale = []
    for name, text in files():
        path = HERE / name
        if sys.argv[1:] == ["--check"]:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                stale.append(name)
        else:
            path.write_text(text, encoding="utf-8")
    if stale:
        sys.exit("not what grafana/build.py writes: " + ", ".join(stale))


if __name__ == "__main__":
    main()
