"""Compares lookback with DuckDB, question by question.

    python3 agree.py LOOKBACK LOGS...

LOOKBACK is the binary; LOGS are files or folders, of which all plain and gzip logs are read together. Every question is
asked of both, over the whole log and over its last five minutes; rows must be the same, in the same order, and fractions
equal to one part in 10^9. Exits with 1 when they differ anywhere.
"""

import csv
import io
import subprocess
import sys
from pathlib import Path

import duckdb

import flows
import second_opinion

# What a question with positional parameters is asked: the first of these that the log knows.
POSITIONAL = {
    "dns-lookups": [["name"], ["kafka.data.svc.cluster.local", "jaeger-collector.jaeger.svc.cluster.local"]],
    "pair-latency": [["a", "b"], ["web cart", "productpage-v1 reviews"]],
}


def logs(arguments):
    for argument in map(Path, arguments):
        found = sorted(argument.rglob("*")) if argument.is_dir() else [argument]
        yield from (str(p) for p in found if p.name.endswith((".log", ".json", ".jsonl", ".ndjson", ".log.gz")))


def ours(binary, name, values, last, files):
    question, _, by = name.partition(".by-")
    command = [binary, "ask", question, *values, *files, "-q", "-o", "csv", "--raw", *(["--by", by] if by else [])]
    done = subprocess.run(command + (["--last", last] if last else []), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: {done.stderr}")
    return list(csv.reader(io.StringIO(done.stdout)))


def theirs(connection, name, given, last):
    header, _ = second_opinion.read(name)
    window = second_opinion.window_of(connection, header, last=last)
    asked = bool(last or header["defaults"].get("last"))
    answer = connection.execute(second_opinion.bind(name, window, given, windowed=asked)[1])
    text = [["" if v is None else str(v).lower() if isinstance(v, bool) else repr(v) if isinstance(v, float) else str(v)
             for v in row] for row in answer.fetchall()]
    return [[column[0] for column in answer.description], *text]


def same(a, b):
    if a == b:
        return True
    try:
        return abs(float(a) - float(b)) <= 1e-9 * max(1.0, abs(float(b))) and ("." in a or "." in b or "e" in a + b)
    except ValueError:
        return False


def main():
    binary, files = sys.argv[1], list(logs(sys.argv[2:]))
    connection = duckdb.connect()
    flows.load(connection, files)
    questions = sorted(p.stem for p in second_opinion.QUERIES.glob("*.sql"))
    passed, failed, rows = 0, 0, 0
    for name in questions:
        keys, choices = POSITIONAL.get(name, [[], [""]])
        for choice in choices:
            values = choice.split()
            for last in (None, "5m"):
                a = ours(binary, name, values, last, files)
                b = theirs(connection, name, dict(zip(keys, values)), last)
                equal = len(a) == len(b) and all(
                    len(x) == len(y) and all(map(same, x, y)) for x, y in zip(a, b))
                passed, failed, rows = passed + equal, failed + (not equal), rows + len(b) - 1
                if not equal:
                    print(f"{name} {choice} {last or 'whole'} differs:", file=sys.stderr)
                    for x, y in [(x, y) for x, y in zip(a, b) if not all(map(same, x, y))][:3]:
                        print(f"  lookback {','.join(x)}\n  DuckDB   {','.join(y)}", file=sys.stderr)
                    if len(a) != len(b):
                        print(f"  lookback has {len(a) - 1} rows, DuckDB {len(b) - 1}", file=sys.stderr)
    print(f"second opinion over {len(files)} logs, {rows} rows: {passed} passed, {failed} failed")
    return 1 if failed or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
