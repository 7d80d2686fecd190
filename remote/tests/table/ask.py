"""Runs statements, then a query, in an engine, and prints the rows as JSON: a list of lists.

    python3 ask.py duckdb|clickhouse|datafusion|ballista < {"statements": […], "query": "…"}

Of Ballista's statements DataFusion leaves out what it does not know, an option of Ballista's. Exits with 3 when the engine's package (duckdb, chdb, datafusion) is not there.
"""

import json
import sys


def duckdb(statements, query):
    import duckdb

    connection = duckdb.connect()
    for statement in statements:
        connection.execute(statement)
    return connection.execute(query).fetchall()


def clickhouse(statements, query):
    from chdb import session

    connection = session.Session()
    for statement in statements:
        connection.query(statement)
    lines = str(connection.query(query, "JSONCompactEachRow")).split("\n")
    return [json.loads(line) for line in lines if line]


def datafusion(statements, query):
    from datafusion import SessionContext

    context = SessionContext()
    for statement in statements:
        context.sql(statement).collect()
    return [list(row.values()) for row in context.sql(query).to_pylist()]


def ballista(statements, query):
    return datafusion([each for each in statements if not each.startswith("SET ballista.")], query)


engine = {"duckdb": duckdb, "clickhouse": clickhouse, "datafusion": datafusion, "ballista": ballista}[sys.argv[1]]
try:
    rows = engine(**json.load(sys.stdin))
except ModuleNotFoundError as error:
    print(error, file=sys.stderr)
    sys.exit(3)
json.dump([list(row) for row in rows], sys.stdout, default=str)
