"""The questions of `xtask bench`, asked of another engine: python3 ask.py ENGINE QUESTION LOGS_OR_ARCHIVE.

Each engine gets what a user who knows it would write: the schema of the fields that are needed, nothing to be guessed,
nothing else read. It is spared what makes Lookback's answers right: names of clients and servers by workload, what a
request and its response have in common, drops reported twice, rejected lines, losses.
"""

import sys

LEAVES = {
    "top-drop-reasons": {
        "time": "T",
        "verdict": "S",
        "drop_reason_desc": "S",
        "source": {"namespace": "S", "pod_name": "S"},
        "destination": {"namespace": "S", "pod_name": "S"},
    },
    "http-latency": {
        "time": "T",
        "source": {"namespace": "S", "pod_name": "S"},
        "l7": {"type": "S", "latency_ns": "I", "http": {"code": "I"}},
    },
    "dns-failures": {
        "time": "T",
        "destination": {"namespace": "S", "pod_name": "S"},
        "l7": {"type": "S", "dns": {"query": "S", "rcode": "I"}},
    },
}

# Over `flow`, the one column that is read.
DUCKDB = {
    "top-drop-reasons": """
        SELECT flow.drop_reason_desc AS reason, count(*) AS drops,
               count(DISTINCT concat_ws('/', flow.source.namespace, flow.source.pod_name)) AS clients,
               count(DISTINCT concat_ws('/', flow.destination.namespace, flow.destination.pod_name)) AS servers,
               min(flow.time) AS first_seen, max(flow.time) AS last_seen
        FROM flows WHERE flow.verdict = 'DROPPED' GROUP BY ALL ORDER BY drops DESC LIMIT 20""",
    "http-latency": """
        SELECT concat_ws('/', flow.source.namespace, flow.source.pod_name) AS server, count(*) AS responses,
               quantile_cont(flow.l7.latency_ns, 0.5) AS p50, quantile_cont(flow.l7.latency_ns, 0.95) AS p95,
               quantile_cont(flow.l7.latency_ns, 0.99) AS p99
        FROM flows WHERE flow.l7.type = 'RESPONSE' AND flow.l7.http IS NOT NULL
        GROUP BY ALL ORDER BY p95 DESC LIMIT 20""",
    "dns-failures": """
        SELECT concat_ws('/', flow.destination.namespace, flow.destination.pod_name) AS client,
               flow.l7.dns.query AS name, flow.l7.dns.rcode AS rcode, count(*) AS failures,
               min(flow.time) AS first_seen, max(flow.time) AS last_seen
        FROM flows WHERE flow.l7.type = 'RESPONSE' AND flow.l7.dns.rcode > 0
        GROUP BY ALL ORDER BY failures DESC LIMIT 20""",
}

CHDB = {
    "top-drop-reasons": """
        SELECT flow.drop_reason_desc AS reason, count() AS drops,
               uniqExact(flow.source.namespace, flow.source.pod_name) AS clients,
               uniqExact(flow.destination.namespace, flow.destination.pod_name) AS servers,
               min(flow.time) AS first_seen, max(flow.time) AS last_seen
        FROM {flows} WHERE flow.verdict = 'DROPPED' GROUP BY reason ORDER BY drops DESC LIMIT 20""",
    "http-latency": """
        SELECT concat(flow.source.namespace, '/', flow.source.pod_name) AS server, count() AS responses,
               quantilesExactInclusive(0.5, 0.95, 0.99)(flow.l7.latency_ns) AS latency
        FROM {flows} WHERE flow.l7.type = 'RESPONSE' AND flow.l7.http.code > 0
        GROUP BY server ORDER BY latency[2] DESC LIMIT 20""",
    "dns-failures": """
        SELECT concat(flow.destination.namespace, '/', flow.destination.pod_name) AS client,
               flow.l7.dns.query AS name, flow.l7.dns.rcode AS rcode, count() AS failures,
               min(flow.time) AS first_seen, max(flow.time) AS last_seen
        FROM {flows} WHERE flow.l7.type = 'RESPONSE' AND flow.l7.dns.rcode > 0
        GROUP BY client, name, rcode ORDER BY failures DESC LIMIT 20""",
}

# The same of an archive's columns.
ARCHIVE = {
    "top-drop-reasons": """
        SELECT drop_reason_desc AS reason, count(*) AS drops,
               count(DISTINCT concat_ws('/', source_namespace, source_pod)) AS clients,
               count(DISTINCT concat_ws('/', destination_namespace, destination_pod)) AS servers,
               min(time) AS first_seen, max(time) AS last_seen
        FROM flows WHERE verdict = 'DROPPED' GROUP BY ALL ORDER BY drops DESC LIMIT 20""",
    "http-latency": """
        SELECT concat_ws('/', source_namespace, source_pod) AS server, count(*) AS responses,
               quantile_cont(latency_ns, 0.5) AS p50, quantile_cont(latency_ns, 0.95) AS p95,
               quantile_cont(latency_ns, 0.99) AS p99
        FROM flows WHERE l7_type = 'RESPONSE' AND l7_protocol = 'http' GROUP BY ALL ORDER BY p95 DESC LIMIT 20""",
    "dns-failures": """
        SELECT concat_ws('/', destination_namespace, destination_pod) AS client, dns_query AS name,
               dns_rcode AS rcode, count(*) AS failures, min(time) AS first_seen, max(time) AS last_seen
        FROM flows WHERE l7_type = 'RESPONSE' AND dns_rcode > 0 GROUP BY ALL ORDER BY failures DESC LIMIT 20""",
}


def struct(leaves, names, of):
    fields = [f"{key} {names[leaf] if isinstance(leaf, str) else struct(leaf, names, of)}" for key, leaf in leaves.items()]
    return of + "(" + ", ".join(fields) + ")"


def duckdb(question, logs):
    import duckdb

    flow = struct(LEAVES[question], {"T": "TIMESTAMP_NS", "S": "VARCHAR", "I": "UBIGINT"}, "STRUCT")
    read = f"read_json('{logs}/**/*.log', format='newline_delimited', columns={{flow: '{flow}'}})"
    return duckdb.sql(DUCKDB[question].replace("FROM flows", f"FROM {read}")).fetchall()


def duckdb_archive(question, archive):
    import duckdb

    read = f"read_parquet('{archive}/flows/**/*.parquet')"
    return duckdb.sql(ARCHIVE[question].replace("FROM flows", f"FROM {read}")).fetchall()


def chdb(question, logs):
    import chdb

    flow = struct(LEAVES[question], {"T": "DateTime64(9)", "S": "String", "I": "UInt64"}, "Tuple")
    read = f"file('{logs}/**/*.log', 'JSONEachRow', 'flow {flow}')"
    settings = " SETTINGS input_format_skip_unknown_fields = 1, date_time_input_format = 'best_effort'"
    return str(chdb.query(CHDB[question].format(flows=read) + settings, "CSV")).splitlines()


def polars(question, logs):
    import polars as pl

    def dtype(leaves):
        kinds = {"T": pl.String, "S": pl.String, "I": pl.UInt64}
        return pl.Struct({key: kinds[leaf] if isinstance(leaf, str) else dtype(leaf) for key, leaf in leaves.items()})

    leaves = {
        **LEAVES[question],
        # A number in quotes is text to Polars.
        **({"l7": {**LEAVES[question]["l7"], "latency_ns": "S"}} if question == "http-latency" else {}),
    }
    flows = pl.scan_ndjson(f"{logs}/**/*.log", schema={"flow": dtype(leaves)}, ignore_errors=True)
    flow = pl.col("flow").struct
    l7 = flow.field("l7").struct

    def end(side):
        return pl.concat_str([flow.field(side).struct.field(name) for name in ("namespace", "pod_name")], separator="/")

    seen = [flow.field("time").min().alias("first_seen"), flow.field("time").max().alias("last_seen")]
    if question == "top-drop-reasons":
        found = flows.filter(flow.field("verdict") == "DROPPED").group_by(flow.field("drop_reason_desc"))
        ends = [end("source").n_unique().alias("clients"), end("destination").n_unique().alias("servers")]
        answer = found.agg(pl.len().alias("drops"), *ends, *seen).sort("drops", descending=True)
    elif question == "http-latency":
        found = flows.filter((l7.field("type") == "RESPONSE") & l7.field("http").is_not_null())
        latency = l7.field("latency_ns").cast(pl.UInt64)
        quantiles = [latency.quantile(q, "linear").alias(f"p{q * 100:.0f}") for q in (0.5, 0.95, 0.99)]
        answer = found.group_by(end("source").alias("server")).agg(pl.len().alias("n"), *quantiles)
        answer = answer.sort("p95", descending=True)
    else:
        dns = l7.field("dns").struct
        found = flows.filter((l7.field("type") == "RESPONSE") & (dns.field("rcode") > 0))
        keys = [end("destination").alias("client"), dns.field("query"), dns.field("rcode")]
        answer = found.group_by(*keys).agg(pl.len().alias("n"), *seen).sort("n", descending=True)
    return answer.head(20).collect(engine="streaming").rows()


if __name__ == "__main__":
    engine, question, path = sys.argv[1:]
    engines = {"duckdb": duckdb, "chdb": chdb, "polars": polars, "duckdb-archive": duckdb_archive}
    for row in engines[engine](question, path):
        print(row)
