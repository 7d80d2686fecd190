"""Answers a question with DuckDB, for comparison with `lookback ask … -o csv`.

    python3 second_opinion.py QUESTION [--since NS] [--until NS] [--last 5m] [--limit N] [--param k=v]... FILE...

A variant is named by its file, `top-drop-reasons.by-pair`. Positional parameters of a question are given by name:
`--param name=api.example.com`. Needs the packages duckdb and pyarrow.
"""

import argparse
import csv
import re
import sys
import tomllib
from pathlib import Path

import duckdb

import flows

QUERIES = Path(__file__).resolve().parent.parent
LOST = "time, time_ns, node_name, lost_source, lost_count, lost_cpu, lost_first, lost_last, lost_first_ns, lost_last_ns"
UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9,
         "w": 7 * 86400 * 10**9}
# Comments and texts are taken whole, so that nothing in them is taken for a parameter or a table.
TOKEN = re.compile(r"--[^\n]*|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$[a-z_][a-z0-9_]*|[A-Za-z_][A-Za-z0-9_]*|\s+|.", re.S)


def read(name):
    """A question's header and its SELECT."""
    lines = (QUERIES / f"{name}.sql").read_text(encoding="utf-8").splitlines()
    end = next((i for i, line in enumerate(lines) if not line.startswith("--")), len(lines))
    header = "\n".join(line.removeprefix("--").removeprefix(" ") for line in lines[:end])
    return tomllib.loads(header), "\n".join(lines[end:])


def duration(value):
    parts = re.findall(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h|d|w)", value)
    if not parts or "".join(a + b for a, b in parts) != value:
        raise SystemExit(f"not a duration: {value}")
    return sum(round(float(amount) * UNITS[unit]) for amount, unit in parts)


def literal(value, kind):
    if value is None:
        return f"CAST(NULL AS {'STRING' if kind in ('text', 'choice') else 'BIGINT'})"
    if kind == "boolean":
        return "TRUE" if value in (True, "true") else "FALSE"
    if kind == "duration":
        return str(duration(value))
    if kind == "integer":
        return str(int(value))
    if kind == "number":
        return repr(float(value))
    return "'" + value.replace("'", "''") + "'"


def bind(name, window, given, limit=None, windowed=True, everything="events"):
    """One statement: WITH the tables that it uses, as CTEs, then the question's SELECT."""
    header, body = read(name)
    since, until = window
    values = {"since": str(since), "until": str(until), "limit": str(limit or header["defaults"]["limit"])}
    declared = header.get("parameters", {})
    for unknown in set(given) - set(declared):
        raise SystemExit(f"{name}: unknown parameter {unknown}")
    for key, parameter in declared.items():
        values[key] = literal(given.get(key, parameter.get("default")), parameter["type"])
    tables = {path.stem: read(f"tables/{path.stem}")[1] for path in (QUERIES / "tables").glob("*.sql")}
    # Without a window asked for, what carries no time counts too.
    inside = "kind = '{}'" + (f" AND time_ns >= {since} AND time_ns <= {until}" if windowed else "")
    tables["flows"] = f"SELECT * FROM {everything} WHERE {inside.format('flow')}"
    reported = (f" AND coalesce(lost_last_ns, time_ns) >= {since} AND coalesce(lost_first_ns, time_ns) <= {until}"
                if windowed else "")
    tables["lost_events"] = f"SELECT {LOST} FROM {everything} WHERE kind = 'lost_events'{reported}"

    used = {}

    def use(sql):
        for word in TOKEN.findall(sql):
            if word in tables and word not in used:
                used[word] = None
                use(tables[word])
                used[word] = used.pop(word)  # after what it is made of

    use(body)
    # The body may begin with WITH itself: its CTEs join ours.
    clauses = [f"{table} AS (\n{tables[table]}\n)" for table in used]
    start = re.match(r"\s*WITH\s", body, re.I)
    rest = ",\n" + body[start.end():] if start else "\n" + body
    bound = "WITH " + ",\n".join(clauses) + rest
    return header, "".join(values.get(t[1:], t) if t.startswith("$") else t for t in TOKEN.findall(bound))


def window_of(connection, header, since=None, until=None, last=None):
    first, end = connection.execute(
        "SELECT min(time_ns), max(time_ns) FROM events WHERE kind IN ('flow', 'lost_events')").fetchone()
    first, end = first or 0, end or 0
    until = end if until is None else until
    last = last or (header["defaults"].get("last") if since is None else None)
    if since is None:
        since = until - duration(last) if last else first
    return since, until


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("question")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--since", type=int)
    parser.add_argument("--until", type=int)
    parser.add_argument("--last")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--param", action="append", default=[], metavar="k=v")
    parser.add_argument("--sql", action="store_true", help="print the bound statement instead of its answer")
    args = parser.parse_args()
    connection = duckdb.connect()
    flows.load(connection, args.files)
    window = window_of(connection, read(args.question)[0], args.since, args.until, args.last)
    given = dict(entry.split("=", 1) for entry in args.param)
    asked = args.since or args.until or args.last or read(args.question)[0]["defaults"].get("last")
    header, sql = bind(args.question, window, given, args.limit, windowed=bool(asked))
    if args.sql:
        print(sql)
        return
    answer = connection.execute(sql)
    columns = [column[0] for column in answer.description]
    if columns != [column["name"] for column in header["columns"]]:
        raise SystemExit(f"{args.question}: columns {columns} are not those of the header")
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(columns)
    for row in answer.fetchall():
        out.writerow(["" if v is None else repr(v) if isinstance(v, float) else v for v in row])


if __name__ == "__main__":
    main()
