"""Hubble flow logs as a DuckDB table: the second opinion on `flow/` and on docs/rules.md.

Written from docs/rules.md alone, with Python's json, sharing nothing with the Rust reader, so that a mistake would have
to be made twice to stay unseen. It reads plain NDJSON, enveloped or bare; it is slow and keeps everything in memory.
Only the columns that the questions use are made.
"""

import gzip
import json
import re
from datetime import datetime, timezone
from pathlib import Path

COLUMNS = {
    "time": "BIGINT", "time_ns": "BIGINT", "node_name": "VARCHAR", "kind": "VARCHAR", "verdict": "VARCHAR",
    "drop_reason": "UINTEGER", "drop_reason_desc": "VARCHAR", "source_ip": "VARCHAR", "destination_ip": "VARCHAR",
    "l4_protocol": "VARCHAR", "source_port": "UINTEGER", "destination_port": "UINTEGER", "tcp_flags": "VARCHAR",
    "icmp_type": "UINTEGER", "icmp_code": "UINTEGER", "source_identity": "UINTEGER", "source_namespace": "VARCHAR",
    "source_pod": "VARCHAR", "destination_identity": "UINTEGER", "destination_namespace": "VARCHAR",
    "destination_pod": "VARCHAR", "flow_type": "VARCHAR", "l7_type": "VARCHAR", "latency_ns": "UBIGINT",
    "l7_protocol": "VARCHAR", "dns_query": "VARCHAR", "dns_rcode": "UINTEGER", "dns_ttl": "UINTEGER",
    "http_code": "UINTEGER", "http_method": "VARCHAR", "http_url": "VARCHAR", "http_protocol": "VARCHAR",
    "kafka_error_code": "INTEGER", "kafka_api_version": "INTEGER", "kafka_api_key": "VARCHAR",
    "kafka_correlation_id": "INTEGER", "kafka_topic": "VARCHAR", "event_type": "INTEGER", "event_sub_type": "INTEGER",
    "traffic_direction": "VARCHAR", "policy_match_type": "UINTEGER", "is_reply": "BOOLEAN",
    "sock_xlate_point": "VARCHAR", "lost_source": "VARCHAR", "lost_count": "UBIGINT", "lost_cpu": "INTEGER",
    "lost_first": "BIGINT", "lost_last": "BIGINT", "lost_first_ns": "BIGINT", "lost_last_ns": "BIGINT",
    "direction": "VARCHAR", "client": "VARCHAR",
    "client_namespace": "VARCHAR", "client_pod": "VARCHAR", "client_ip": "VARCHAR", "client_port": "UINTEGER",
    "client_identity": "UINTEGER", "server": "VARCHAR", "server_namespace": "VARCHAR", "server_pod": "VARCHAR",
    "server_ip": "VARCHAR", "server_port": "UINTEGER", "server_identity": "UINTEGER", "connection_id": "VARCHAR",
    "request_id": "VARCHAR", "dns_qtype": "VARCHAR", "dns_has_answer": "BOOLEAN", "client_is_outside": "BOOLEAN",
    "server_is_outside": "BOOLEAN", "denied_by": "VARCHAR", "ip_encrypted": "BOOLEAN",
    "egress_allowed_by": "POLICIES", "ingress_allowed_by": "POLICIES",
}

# Enums by number, as the .proto files have them; protojson may write either. Zero is "unknown", hence absent.
PROTO = (Path(__file__).resolve().parents[2] / "flow/proto/flow/flow.proto").read_text(encoding="utf-8")
DROP_REASONS = {int(number): name for name, number in re.findall(
    r"^  (\w+) = (\d+);", PROTO.split("enum DropReason {")[1].split("\n}")[0], re.M)}
DROP_REASONS[0] = None
L4_PROTOCOLS = ("TCP", "UDP", "ICMPv4", "ICMPv6", "SCTP", "VRRP", "IGMP")
VERDICTS = [None, "FORWARDED", "DROPPED", "ERROR", "AUDIT", "REDIRECTED", "TRACED", "TRANSLATED"]
FLOW_TYPES = [None, "L3_L4", "L7", "SOCK"]
L7_TYPES = [None, "REQUEST", "RESPONSE", "SAMPLE"]
DIRECTIONS = [None, "INGRESS", "EGRESS"]
LOST_SOURCES = [None, "PERF_EVENT_RING_BUFFER", "OBSERVER_EVENTS_QUEUE", "HUBBLE_RING_BUFFER"]
XLATE_POINTS = [None] + [f"SOCK_XLATE_POINT_{p}" for p in (
    "PRE_DIRECTION_FWD", "POST_DIRECTION_FWD", "PRE_DIRECTION_REV", "POST_DIRECTION_REV")]
ZERO_NAMES = {"VERDICT_UNKNOWN", "UNKNOWN_TYPE", "UNKNOWN_L7_TYPE", "TRAFFIC_DIRECTION_UNKNOWN", "DROP_REASON_UNKNOWN",
              "UNKNOWN_LOST_EVENT_SOURCE", "SOCK_XLATE_POINT_UNKNOWN"}
TCP_FLAGS = ["SYN", "ACK", "RST", "FIN", "PSH", "URG", "ECE", "CWR", "NS"]
RESERVED = {1: "host", 2: "world", 3: "unmanaged", 4: "health", 5: "init", 6: "remote-node", 7: "kube-apiserver",
            8: "ingress", 9: "world", 10: "world", 11: "aggregate-cluster", 12: "aggregate-cluster-mesh",
            13: "aggregate-world", 14: "aggregate-remote-node"}
KINDS = ("flow", "lost_events", "node_status", "agent_event", "debug_event")
HASH = "[bcdfghjklmnpqrstvwxz2456789]"
GENERATED = re.compile(f"^(.+?)(?:-{HASH}{{8,10}}-{HASH}{{5}}|-[0-9]{{8,}}-{HASH}{{5}}|-{HASH}{{5}}|-[0-9]+)$")


def get(message, name):
    """A field by its proto name or its lowerCamel one; null is absent."""
    if not isinstance(message, dict):
        return None
    if message.get(name) is not None:
        return message[name]
    head, *rest = name.split("_")
    return message.get(head + "".join(part[:1].upper() + part[1:] for part in rest))


def number(value, zero=None):
    """A number, bare or quoted; absent and 0 are `zero`."""
    return (int(value) or zero) if value is not None else zero


def amount(value):
    """A number of which SQL is given 2^53 at most."""
    found = number(value)
    return None if found is None else min(found, 2**53)


def text(value):
    return value or None


def enum(value, names):
    if isinstance(value, (int, float)):
        return names[int(value)] if 0 <= value < len(names) else str(int(value))
    return None if value in ZERO_NAMES else text(value)


def nanoseconds(stamp):
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)", stamp or "")
    if not match:
        return None
    day, clock, fraction, offset = match.groups()
    whole = datetime.fromisoformat(f"{day}T{clock}" + ("+00:00" if offset in "Zz" else offset))
    seconds = int((whole - datetime(1970, 1, 1, tzinfo=timezone.utc)).total_seconds())
    nanos = seconds * 10**9 + int((fraction or "0").ljust(9, "0"))
    return nanos if 0 <= nanos < 2**63 else None


def events(paths):
    """(kind, body, envelope) of every good line."""
    def once(pairs):
        keys = dict(pairs)
        if len(keys) < len(pairs):
            raise ValueError("duplicate key")
        return keys

    for path in paths:
        opened = gzip.open if path.endswith(".gz") else open
        with opened(path, "rt", encoding="utf-8", errors="surrogateescape") as lines:
            for line in lines:
                try:
                    line.encode("utf-8")
                    envelope = json.loads(line, object_pairs_hook=once)
                except ValueError:
                    continue
                if not isinstance(envelope, dict):
                    continue
                kinds = [k for k in KINDS if isinstance(get(envelope, k), dict)]
                if len(kinds) == 1:
                    yield kinds[0], get(envelope, kinds[0]), envelope
                elif not kinds and any(get(envelope, k) is not None for k in ("verdict", "IP", "event_type", "Type")):
                    yield "flow", envelope, {}
                elif not kinds and get(envelope, "num_events_lost") is not None:
                    yield "lost_events", envelope, {}


def workload(endpoint):
    for entry in get(endpoint, "workloads") or []:
        return text(get(entry, "name"))
    return None


def workloads_by_pod(flows):
    """What lines of the pod's own node tell about it, for the lines of other nodes."""
    found = {}
    for flow in flows:
        for side in ("source", "destination"):
            endpoint = get(flow, side)
            name, pod = workload(endpoint), get(endpoint, "pod_name")
            if name and pod:
                key = (get(endpoint, "namespace") or "", pod)
                found[key] = min(name, found.get(key, name))
    return found


def label(endpoint, key):
    for entry in get(endpoint, "labels") or []:
        name, _, value = entry.partition("=")
        if value and (name == key or name.split(":", 1)[-1] == key):
            return value
    return None


def endpoint_name(flow, side, address, found):
    endpoint, service = get(flow, side), get(flow, f"{side}_service")
    namespace, pod = get(endpoint, "namespace") or "", get(endpoint, "pod_name")
    identity = number(get(endpoint, "identity"))

    def full(space, name):
        return f"{space}/{name}" if space else name

    name = workload(endpoint) or (pod and found.get((namespace, pod)))
    for key in ("app.kubernetes.io/name", "k8s-app", "app"):
        name = name or label(endpoint, key)
    if not name and pod:
        match = GENERATED.match(pod)
        name = match.group(1) if match else pod
    if name:
        return full(namespace, name)
    if get(service, "name"):
        return full(get(service, "namespace"), get(service, "name"))
    for name in get(flow, f"{side}_names") or []:
        if name.rstrip("."):
            return name.rstrip(".")
    if identity in RESERVED:
        return RESERVED[identity]
    if not identity:
        for entry in get(endpoint, "labels") or []:
            if entry.startswith("reserved:"):
                return entry.removeprefix("reserved:")
    return address


def direction(flow, row):
    reply, flags = row["is_reply"], row["tcp_flags"]
    if reply is not None:
        return "reply" if reply else "forward"
    if get(flow, "reply") is True:
        return "reply"
    if row["l7_type"] in ("REQUEST", "RESPONSE"):
        return "reply" if row["l7_type"] == "RESPONSE" else "forward"
    if flags and "SYN" in flags:
        return "reply" if "ACK" in flags else "forward"
    kind = (row["l4_protocol"], row["icmp_type"])
    if kind in (("ICMPv4", 8), ("ICMPv6", 128)):
        return "forward"
    if kind in (("ICMPv4", 0), ("ICMPv6", 129)):
        return "reply"
    point = row["sock_xlate_point"] or ""
    if row["flow_type"] == "SOCK" and point.endswith(("_FWD", "_REV")):
        return "reply" if point.endswith("_REV") else "forward"
    source, destination = row["source_port"], row["destination_port"]
    if source is not None and (source < 32768) != (destination < 32768):
        return "reply" if source < 32768 else "forward"
    return "unknown"


def outside(identity):
    if not identity:
        return None
    return identity in (2, 9, 10, 13) or 16777216 <= identity <= 33554431


def connection_id(row):
    if not (row["l4_protocol"] and row["client_ip"] and row["server_ip"]):
        return None

    def end(address, port):
        address = f"[{address}]" if ":" in address else address
        return address if port is None else f"{address}:{port}"

    ends = end(row["client_ip"], row["client_port"]), end(row["server_ip"], row["server_port"])
    return " ".join((row["l4_protocol"], *ends))


def policies(flow):
    names = {}
    for field in ("egress_denied_by", "ingress_denied_by"):
        for policy in get(flow, field) or []:
            if get(policy, "name"):
                namespace = get(policy, "namespace")
                names[f"{namespace}/{policy['name']}" if namespace else policy["name"]] = True
    return ", ".join(names) or None


def flow_row(flow, row, found):
    row["verdict"] = enum(get(flow, "verdict"), VERDICTS)
    row["drop_reason"] = number(get(flow, "drop_reason"))
    reason = get(flow, "drop_reason_desc")
    row["drop_reason_desc"] = DROP_REASONS.get(reason, str(reason)) if isinstance(reason, int) else enum(reason, [])
    ip = get(flow, "IP")
    addresses = {"source": text(get(ip, "source")), "destination": text(get(ip, "destination"))}
    row["source_ip"], row["destination_ip"] = addresses.values()
    row["ip_encrypted"] = None if ip is None else bool(get(ip, "encrypted"))
    for protocol, l4 in (get(flow, "l4") or {}).items():
        if not isinstance(l4, dict) or protocol not in L4_PROTOCOLS:
            continue
        row["l4_protocol"] = protocol
        if protocol in ("TCP", "UDP", "SCTP"):
            row["source_port"] = number(get(l4, "source_port"), 0)
            row["destination_port"] = number(get(l4, "destination_port"), 0)
        if protocol == "TCP" and get(l4, "flags") is not None:
            row["tcp_flags"] = ", ".join(flag for flag in TCP_FLAGS if l4["flags"].get(flag))
        if protocol.startswith("ICMP"):
            row["icmp_type"], row["icmp_code"] = number(get(l4, "type"), 0), number(get(l4, "code"), 0)
    for side in ("source", "destination"):
        endpoint = get(flow, side)
        if endpoint is not None:
            row[f"{side}_identity"] = number(get(endpoint, "identity"), 0)
            row[f"{side}_namespace"] = text(get(endpoint, "namespace"))
            row[f"{side}_pod"] = text(get(endpoint, "pod_name"))
    row["flow_type"] = enum(get(flow, "Type"), FLOW_TYPES)
    row["traffic_direction"] = enum(get(flow, "traffic_direction"), DIRECTIONS)
    row["policy_match_type"] = number(get(flow, "policy_match_type"))
    row["sock_xlate_point"] = enum(get(flow, "sock_xlate_point"), XLATE_POINTS)
    row["is_reply"] = get(flow, "is_reply")
    event = get(flow, "event_type")
    if event is not None:
        row["event_type"], row["event_sub_type"] = number(get(event, "type"), 0), number(get(event, "sub_type"), 0)
    l7_columns(get(flow, "l7"), row)
    row["denied_by"] = policies(flow)
    for field in ("egress_allowed_by", "ingress_allowed_by"):
        row[field] = [{name: text(get(policy, name)) for name in ("name", "namespace")}
                      for policy in get(flow, field) or []] or None
    row["direction"] = direction(flow, row)
    client, server = ("destination", "source") if row["direction"] == "reply" else ("source", "destination")
    for end, side in (("client", client), ("server", server)):
        row[end] = endpoint_name(flow, side, addresses[side], found)
        row[f"{end}_ip"] = addresses[side]
        for column in ("namespace", "pod", "port", "identity"):
            row[f"{end}_{column}"] = row.get(f"{side}_{column}")
        row[f"{end}_is_outside"] = outside(row[f"{end}_identity"])
    row["connection_id"] = connection_id(row)


def l7_columns(l7, row):
    if l7 is None:
        return
    row["l7_type"] = enum(get(l7, "type"), L7_TYPES)
    row["latency_ns"] = amount(get(l7, "latency_ns"))
    dns, http, kafka = (get(l7, name) for name in ("dns", "http", "kafka"))
    if dns is not None:
        row["l7_protocol"] = "dns"
        row["dns_query"], row["dns_rcode"] = text(get(dns, "query")), number(get(dns, "rcode"), 0)
        row["dns_ttl"] = number(get(dns, "ttl"))
        row["dns_qtype"] = next(iter(get(dns, "qtypes") or []), None)
        row["dns_has_answer"] = any(get(dns, name) for name in ("ips", "cnames", "rrtypes"))
    if http is not None:
        row["l7_protocol"] = "http"
        row["http_code"], row["http_method"] = number(get(http, "code")), text(get(http, "method"))
        row["http_url"], row["http_protocol"] = text(get(http, "url")), text(get(http, "protocol"))
        for header in get(http, "headers") or []:
            if (get(header, "key") or "").lower() == "x-request-id":
                row["request_id"] = text(get(header, "value"))
                break
    if kafka is not None:
        row["l7_protocol"] = "kafka"
        row["kafka_error_code"] = number(get(kafka, "error_code"), 0)
        row["kafka_api_version"] = number(get(kafka, "api_version"))
        row["kafka_api_key"], row["kafka_topic"] = text(get(kafka, "api_key")), text(get(kafka, "topic"))
        row["kafka_correlation_id"] = number(get(kafka, "correlation_id"))


def rows(paths):
    """Every event as a dict with a value for each column."""
    seen = list(events(paths))
    found = workloads_by_pod(body for kind, body, _ in seen if kind == "flow")
    for kind, body, envelope in seen:
        row = dict.fromkeys(COLUMNS)
        stamp = get(body, "time") if kind == "flow" else None
        row["kind"] = kind
        row["time"] = row["time_ns"] = nanoseconds(stamp or get(envelope, "time") or get(body, "time"))
        row["node_name"] = text((get(body, "node_name") if kind == "flow" else None) or get(envelope, "node_name"))
        if kind == "flow":
            flow_row(body, row, found)
        elif kind == "lost_events":
            row["lost_source"] = enum(get(body, "source"), LOST_SOURCES)
            row["lost_count"] = amount(get(body, "num_events_lost")) or 0
            cpu = get(body, "cpu")
            row["lost_cpu"] = None if cpu is None else number(cpu, 0)
            row["lost_first"], row["lost_last"] = nanoseconds(get(body, "first")), nanoseconds(get(body, "last"))
            row["lost_first_ns"], row["lost_last_ns"] = row["lost_first"], row["lost_last"]
        yield row


def load(connection, paths):
    """Makes the table `events` in a DuckDB connection."""
    import pyarrow

    types = {"BIGINT": pyarrow.int64(), "UINTEGER": pyarrow.uint32(), "UBIGINT": pyarrow.uint64(),
             "INTEGER": pyarrow.int32(), "VARCHAR": pyarrow.string(), "BOOLEAN": pyarrow.bool_()}
    types["POLICIES"] = pyarrow.list_(pyarrow.struct([(name, pyarrow.string()) for name in ("name", "namespace")]))
    schema = pyarrow.schema([(name, types[kind]) for name, kind in COLUMNS.items()])
    table = pyarrow.Table.from_pylist(list(rows(paths)), schema=schema)
    connection.register("events_arrow", table)
    connection.execute("CREATE TABLE events AS SELECT * FROM events_arrow")
    return table
