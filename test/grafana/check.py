#!/usr/bin/env python3
"""Check grafana/: the form of the dashboards, and every query of dashboards and alert rules on a loaded database.

    check.py form               the JSON and YAML against the rules that Grafana and this project have for them
    check.py run [--bar MS] [--now TIME]
                                run every query and variable as the role that psql connects as (PGUSER, PGHOST, ...),
                                at three ranges that end now (or at TIME), with variables set to All, to one and to several
                                values, and to hostile ones; say how long they took; fail if p95 is over the bar, if given
    check.py times [--runs N] [--now TIME]
                                the same, but each N times in a session (3) after a first one that is not counted, and print the
                                median and 95th percentile of each query, in ms, and which are not quick
    check.py form run           both of the first
    check.py write DIR          write the known data of known.py to a directory; with --late, what comes late
    check.py values --admin USER
                                on a database with the known data (and known.sql): each panel's values against an oracle, at three
                                ranges and in three time zones; units against the types of columns; no division of whole numbers
    check.py rule TITLE         evaluate an alert rule now: a line for each of its instances

Macros and variables are replaced the way Grafana's PostgreSQL data source does it.  Prints TAP.
"""
import argparse
import sys
from datetime import datetime, timezone

from expand import Tap


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="+")
    parser.add_argument("--runs", type=int, default=3, metavar="N")
    parser.add_argument("--bar", type=float, metavar="MS")
    parser.add_argument("--now", type=datetime.fromisoformat, default=datetime.now(timezone.utc), metavar="TIME")
    parser.add_argument("--late", action="store_true")
    parser.add_argument("--admin", metavar="USER")
    options = parser.parse_args()
    what = options.what
    if what[0] == "write":
        from known import Known
        Known().write(what[1], options.late)
        return
    if what[0] == "rule":
        from evaluate import print_rule
        print_rule(what[1])
        return
    tap = Tap(what == ["times"])
    for one in what:
        if one == "form":
            from form import check_form
            check_form(tap)
        elif one in ("run", "times"):
            from run import check_run
            check_run(tap, options.bar, options.now, options.runs if one == "times" else 0)
        elif one == "values":
            from values import check_values
            check_values(tap, options.admin)
        else:
            parser.error(f"there is no {one}")
    if not tap.quiet:
        print(f"1..{tap.number}")
    sys.exit(tap.failed > 0)


if __name__ == "__main__":
    main()
