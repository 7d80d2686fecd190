"""Compares what lookback answers itself with what an engine elsewhere answers for it.

    python3 flight.py LOOKBACK LOGS...

LOOKBACK is the binary; LOGS are files or folders, of which all plain and gzip logs are imported together, into an archive that
is gone afterwards. The engines are DuckDB, which has the view `events` that `lookback archive sql duckdb` prints, and
DataFusion, to which lookback declares it (--engine-archive), each behind a Flight SQL server, which this program is, too. Every
question is asked of both, with --cross-check; rows and what they rest on must be the same. Then the engine leaves rows out,
answers something else, breaks off, and is gone, and must not be believed. Exits with 1 when anything differs. Needs the packages
duckdb, datafusion and pyarrow.
"""

import csv
import io
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import datafusion
import duckdb
import pyarrow.flight as flight

import agree
import second_opinion

QUERY = b"CommandStatementQuery"


def fields(message):
    """Fields of a protobuf message that holds nothing but texts and bytes."""
    at, found = 0, {}

    def number():
        nonlocal at
        value, shift = 0, 0
        while True:
            byte, at = message[at], at + 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    while at < len(message):
        tag = number()
        if tag & 7 != 2:
            raise ValueError("a field that is no text")
        length = number()
        found[tag >> 3], at = message[at : at + length], at + length
    return found


class Server(flight.FlightServerBase):
    """Flight SQL, as far as queries go."""

    def __init__(self, engine):
        super().__init__("grpc://127.0.0.1:0")
        self.engine, self.mood, self.asked, self.answers = engine, "honest", 0, {}

    def get_flight_info(self, context, descriptor):
        command = fields(descriptor.command)
        if not command[1].endswith(QUERY):
            raise NotImplementedError("this server knows queries alone")
        query = fields(command[2])[1]
        said = query.decode()
        if self.mood == "mistaken":
            said = said.replace("kind = 'flow'", "kind = 'flow' AND verdict <> 'DROPPED'")
        # Asked once: a statement may be one that cannot be run again.
        table = self.answers[query] = self.engine(said)
        return flight.FlightInfo(table.schema, descriptor, [flight.FlightEndpoint(query, [])], table.num_rows, -1)

    def do_get(self, context, ticket):
        self.asked += 1
        table = self.answers.pop(ticket.ticket)
        if self.mood == "lossy" and ticket.ticket != b"SELECT 1":
            table = table.slice(0, max(table.num_rows - 1, 0))
        if self.mood == "breaking" and ticket.ticket != b"SELECT 1":
            def batches():
                yield from table.to_batches()
                raise flight.FlightServerError("job 17: the executor is gone")
            return flight.GeneratorStream(table.schema, batches())
        return flight.RecordBatchStream(table)


def engines(binary, archive):
    """Each with the flags by which it is asked."""
    in_duckdb, in_datafusion = duckdb.connect(), datafusion.SessionContext()
    printed = run([binary, "archive", "sql", "duckdb", archive]).stdout
    for statement in filter(str.strip, printed.split(";\n")):
        in_duckdb.execute(statement)
    yield "DuckDB", lambda query: in_duckdb.cursor().sql(query).to_arrow_table(), []
    yield "DataFusion", lambda query: in_datafusion.sql(query).to_arrow_table(), ["--engine-archive", archive]


def run(command):
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def lines(text):
    return list(csv.reader(io.StringIO(text)))


def same(is_duration, a, b):
    """DataFusion takes a quantile between two values at a whole millionth of the way, so durations are compared to five digits."""

    def alike(duration, x, y):
        return agree.same(x, y) or (duration and x and y and abs(float(x) - float(y)) <= 1e-5 * max(1.0, abs(float(x))))

    rows = list(zip(a, b))[1:]
    return len(a) == len(b) and a[0] == b[0] and all(all(map(alike, is_duration, x, y)) for x, y in rows)


def durations(name):
    """Which columns of a question's answer are durations."""
    return [column.get("unit") == "ns" for column in second_opinion.read(name)[0]["columns"]]


def compare(binary, archive, name, server, flags):
    passed, failed, rows = 0, 0, 0
    elsewhere = ["--engine", f"flight://127.0.0.1:{server.port}", "--cross-check", *flags]
    for file in sorted(p.stem for p in second_opinion.QUERIES.glob("*.sql")):
        question, _, by = file.partition(".by-")
        for choice in agree.POSITIONAL.get(question, [[], [""]])[1]:
            ask = [binary, "ask", question, *choice.split(), archive, "-o", "csv", "--raw", *(["--by", by] if by else [])]
            ours, theirs = run(ask), run([*ask, *elsewhere])
            a, b = lines(ours.stdout), lines(theirs.stdout)
            equal = ours.returncode == theirs.returncode == 0 and same(durations(file), a, b) and ours.stderr == theirs.stderr
            passed, failed, rows = passed + equal, failed + (not equal), rows + len(a) - 1
            if not equal:
                print(f"{question} {by} {choice} differs:\n{theirs.stderr[:500]}", file=sys.stderr)
                for x, y in [(x, y) for x, y in zip(a, b) if x != y][:3]:
                    print(f"  lookback {','.join(x)}\n  engine   {','.join(y)}", file=sys.stderr)
    print(f"{name} elsewhere, {rows} rows in {server.asked} answers: {passed} passed, {failed} failed")
    return failed == 0 and rows > 0


def distrust(binary, archive, server, flags):
    """What an engine may do wrong is an error that says so, and prints nothing."""
    ask = [binary, "ask", "verdicts", archive, "-o", "csv", "--engine", f"flight://127.0.0.1:{server.port}", *flags]
    wrong = []
    for mood, more, told in [
        ("lossy", [], "rows"),
        ("breaking", [], "job 17"),
        ("mistaken", ["--cross-check"], "answers otherwise"),
        ("gone", [], "127.0.0.1"),
    ]:
        server.mood = mood
        if mood == "gone":
            server.shutdown()
        done = run([*ask, *more])
        if done.returncode == 0 or done.stdout or told not in done.stderr:
            wrong.append(f"{mood}: {done.returncode} {done.stdout[:200]} {done.stderr[:300]}\n")
    print(*wrong, sep="", file=sys.stderr, end="")
    return not wrong


def main():
    binary, files = sys.argv[1], list(agree.logs(sys.argv[2:]))
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "archive"
        subprocess.run([binary, "import", "-q", *files, "-o", archive], check=True)
        good = True
        for name, engine, flags in engines(binary, archive):
            server = Server(engine)
            threading.Thread(target=server.serve, daemon=True).start()
            good &= compare(binary, archive, name, server, flags)
            good &= distrust(binary, archive, server, flags)
        return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
