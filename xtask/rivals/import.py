"""The import of `xtask bench`, by DuckDB: python3 import.py LOGS FILE. Logs in, one sorted Parquet file out."""

import sys

import duckdb

logs, target = sys.argv[1:]
read = f"read_json('{logs}/**/*.log', format='newline_delimited')"
duckdb.sql(f"COPY (SELECT * FROM {read} ORDER BY time) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
