"""Compares what DuckDB, Polars and pandas read from an archive with the log lines it was made from.

    python3 archive.py LOOKBACK LOGS...

LOOKBACK is the binary; LOGS are files or folders, of which all plain and gzip logs are imported together, into an archive
that is gone afterwards. What must come out is told by `flows.py`, which shares nothing with the Rust reader. Exits with 1
at the first difference. Needs the packages duckdb, polars, pandas and pyarrow.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path
from uuid import UUID

import duckdb
import pandas
import polars
import pyarrow
import pyarrow.dataset

import agree
import flows

COUNTED = ("verdict", "node_name", "source_pod")
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

# What hardly any log has: nanoseconds, a time that is missing, an id that is no UUID as they are usually spelt, or none.
ODD = """
{"flow":{"time":"2026-03-01T23:59:59.999999999Z","uuid":"905C768A-D49F-446C-B579-D288DF624BB6","verdict":"DROPPED"}}
{"flow":{"time":"2026-03-02T00:00:00.000000001Z","uuid":"not-a-uuid","verdict":"DROPPED"}}
{"flow":{"uuid":"f05c768a-d49f-446c-b579-d288df624bb6","verdict":"DROPPED","source":{"labels":["a","b=\\"c\\""]}}}
"""


def make(binary, files, archive):
    """An archive as a later, killed import leaves it: a whole Parquet file in `importing/` that is no part of it."""
    # --again: of two equal logs both are read here, and an import would skip the second.
    subprocess.run([binary, "import", "--again", "-q", *files, "-o", archive], check=True)
    first = next(archive.glob("flows/**/*.parquet"))
    shutil.copy(first, archive / "importing" / "left-behind.parquet")


def span(times):
    """Rows, first and last time."""
    known = [time for time in times if time is not None]
    return len(times), min(known, default=None), max(known, default=None)


def hour_of(time):
    moment = None if time is None else EPOCH + timedelta(seconds=time // 10**9)
    return (None, None) if moment is None else (moment.date(), moment.hour)


def facts_of_lines(files, archive):
    rows, bodies = list(flows.rows(files)), [body for _, body, _ in flows.events(files)]
    times = [row["time"] for row in rows]
    labels = [flows.get(flows.get(body, "source"), "labels") for body in bodies]
    by_hour = {}
    for time in times:
        by_hour.setdefault(hour_of(time), []).append(time)
    recorded = [json.loads(record.read_text(encoding="utf-8")) for record in archive.glob("imports/*.json")]
    return {
        "rows": len(rows),
        **{column: dict(Counter(row[column] for row in rows)) for column in COUNTED},
        "destination ports": sum(row["destination_port"] or 0 for row in rows),
        "first and last time": span(times)[1:],
        "uuids": {uuid for body in bodies if isinstance(uuid := flows.get(body, "uuid"), str) and uuid},
        "times and labels": Counter((time, tuple(some or ())) for time, some in zip(times, labels)),
        "hours": {hour: span(found) for hour, found in by_hour.items()},
        "files": {str(archive / file["path"]) for record in recorded for file in record["files"]},
    }


def facts_of_duckdb(archive, day, hour):
    connection = duckdb.connect()
    # Without types an hour is text there, and `hour = 8` finds nothing in `hour=08`.
    connection.execute(f"""CREATE VIEW flows AS SELECT * FROM read_parquet('{archive}/flows/**/*.parquet',
        hive_partitioning = true, hive_types = {{'date': DATE, 'hour': TINYINT}}, filename = true)""")

    def ask(sql, *values):
        return connection.execute(sql, values).fetchall()

    return {
        "rows": ask("SELECT count(*) FROM flows")[0][0],
        **{column: dict(ask(f"SELECT {column}, count(*) FROM flows GROUP BY ALL")) for column in COUNTED},
        "destination ports": ask("SELECT sum(destination_port) FROM flows")[0][0] or 0,
        "first and last time": ask("SELECT epoch_ns(min(time)), epoch_ns(max(time)) FROM flows")[0],
        "uuids": {uuid for uuid, in ask("SELECT DISTINCT coalesce(uuid::UUID::VARCHAR, uuid_text) FROM flows") if uuid},
        "times and labels": Counter(
            (time, tuple(some or ())) for time, some in ask("SELECT epoch_ns(time), source_labels FROM flows")),
        "hours": {(day, hour): tuple(found) for day, hour, *found in ask(
            "SELECT date, hour, count(*), epoch_ns(min(time)), epoch_ns(max(time)) FROM flows GROUP BY date, hour")},
        "one hour": ask("SELECT count(*) FROM flows WHERE date = ? AND hour = ?", day, hour)[0][0],
        "no hour": ask("SELECT count(*) FROM flows WHERE date IS NULL AND hour IS NULL")[0][0],
        "files": {file for file, in ask("SELECT DISTINCT filename FROM flows")},
    }


def facts_of_polars(archive, day, hour):
    table = polars.scan_parquet(f"{archive}/flows/**/*.parquet", hive_partitioning=True, include_file_paths="file")
    time = polars.col("time").to_physical()
    is_hour = (polars.col("date") == day) & (polars.col("hour") == hour)
    no_hour = polars.col("date").is_null() & polars.col("hour").is_null()

    def ask(*columns):
        return table.select(*columns).collect().rows()

    def count(condition):
        return table.filter(condition).select(polars.len()).collect().item()

    uuids = ask("uuid", "uuid_text")
    hours = table.group_by("date", "hour").agg(polars.len(), time.min().alias("first"), time.max().alias("last"))
    return {
        "rows": ask(polars.len())[0][0],
        **{column: dict(table.group_by(column).len().collect().rows()) for column in COUNTED},
        # Polars sums UInt32 in UInt32, and wraps around.
        "destination ports": ask(polars.col("destination_port").cast(polars.UInt64).sum())[0][0],
        "first and last time": ask(time.min().alias("first"), time.max().alias("last"))[0],
        "uuids": {str(UUID(bytes=uuid)) if uuid else text for uuid, text in uuids if uuid or text},
        "times and labels": Counter((time, tuple(some or ())) for time, some in ask(time, "source_labels")),
        "hours": {(day, hour): tuple(found) for day, hour, *found in hours.collect().rows()},
        "one hour": count(is_hour),
        "no hour": count(no_hour),
        "files": {file for file, in table.select("file").unique().collect().rows()},
    }


def facts_of_pandas(archive, day, hour):
    # With types: left alone, pyarrow makes dictionaries of the partitions and cannot join those of rows without a time.
    fields = pyarrow.schema([("date", pyarrow.date32()), ("hour", pyarrow.int8())])
    hive = pyarrow.dataset.partitioning(fields, flavor="hive")
    columns = [*COUNTED, "time", "destination_port", "uuid", "uuid_text", "source_labels", "date", "hour"]

    def read(filters=None):
        # Not in NumPy's types: numbers with NULLs among them would become floating point.
        return pandas.read_parquet(
            archive / "flows", columns=columns, filters=filters, partitioning=hive, dtype_backend="pyarrow")

    def plain(values):
        return [None if value is pandas.NA else value for value in values]

    table = read()
    days, hours, labels = (plain(table[column]) for column in ("date", "hour", "source_labels"))
    times = plain(table["time"].astype(pandas.ArrowDtype(pyarrow.int64())))
    by_hour = {}
    for key, time in zip(zip(days, hours), times):
        by_hour.setdefault(key, []).append(time)
    is_null = pyarrow.dataset.field("date").is_null() & pyarrow.dataset.field("hour").is_null()
    texts = zip(plain(table["uuid"]), plain(table["uuid_text"]))
    return {
        "rows": len(table),
        **{column: dict(Counter(plain(table[column]))) for column in COUNTED},
        "destination ports": int(table["destination_port"].sum()),
        "first and last time": (table["time"].min().value, table["time"].max().value),
        "uuids": {str(UUID(bytes=uuid)) if uuid else text for uuid, text in texts if uuid or text},
        "times and labels": Counter((time, tuple(() if some is None else some)) for time, some in zip(times, labels)),
        "hours": {key: span(found) for key, found in by_hour.items()},
        "one hour": len(read([("date", "=", day), ("hour", "=", hour)])),
        "no hour": len(read(is_null)),
        "files": set(pyarrow.dataset.dataset(archive / "flows", partitioning=hive).files),
    }


def difference(expected, found):
    """What is in one only, for a message that fits a screen."""
    if isinstance(expected, (set, dict)):
        ours, theirs = (set(side.items()) if isinstance(side, dict) else side for side in (expected, found))
        ours, theirs = (sorted(one - other, key=repr)[:3] for one, other in ((ours, theirs), (theirs, ours)))
        return f"only in the lines {ours}, only in the archive {theirs}"
    return f"{expected} in the lines, {found} in the archive"


def main():
    binary, files = sys.argv[1], list(agree.logs(sys.argv[2:]))
    if not files:
        raise SystemExit("no logs: nothing was compared")
    with tempfile.TemporaryDirectory() as folder:
        odd, archive = Path(folder).resolve() / "odd.log", Path(folder).resolve() / "archive"
        odd.write_text(ODD.lstrip(), encoding="utf-8")
        files.append(str(odd))
        make(binary, files, archive)
        expected = facts_of_lines(files, archive)
        fullest = max((hour for hour in expected["hours"] if hour[0]), key=lambda hour: expected["hours"][hour][0])
        expected["one hour"] = expected["hours"][fullest][0]
        expected["no hour"] = expected["hours"][None, None][0]
        for tool, facts_of in (("DuckDB", facts_of_duckdb), ("Polars", facts_of_polars), ("pandas", facts_of_pandas)):
            found = facts_of(archive, *fullest)
            for name, fact in expected.items():
                if found[name] != fact:
                    raise SystemExit(f"{tool}: {name} differs: {difference(fact, found[name])}")
                print(f"{tool}: {name}: {f'{len(fact)} different' if isinstance(fact, (set, dict)) else fact}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
