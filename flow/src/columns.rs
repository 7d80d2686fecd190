//! The column table: the only place where a column exists.
//!
//! The Arrow schema, both codecs, `docs/columns.md` and the tables that questions run on are made from it.
//! Rules:
//! 1. A column is flat, lower snake case and no SQL keyword, and is never renamed: files of every version are read.
//! 2. Every leaf of `flow.Flow`, of the export envelope and of the other events has a column; what nobody foresaw goes to
//!    `extra`, so that nothing in a log is lost.
//! 3. Within the paths of one message, rows stand in the order in which the `.proto` file declares the fields.
//! 4. An absent value is NULL. Where proto3 cannot tell absent from zero and the zero means something (port 0, rcode
//!    NOERROR, sub-type to-endpoint), [`Fill::Zero`] makes it 0 as soon as its message is there.

use std::collections::HashMap;
use std::sync::LazyLock;

use Fill::{Null, Zero};
use Personal::{Address, Body, Host, Identity, Label, Plain, Pod};
use Type::{
    Addresses, Bool, Case, Flags, Headers, I32, I64, Json, Name, Names, Policies, Presence, Text, Time, U32, U64,
    Workloads,
};

/// What a column holds; it decides the Arrow type and how the codecs read and write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Text of few distinct values (names, addresses, enum names): Dictionary(Int32, Utf8).
    Name,
    /// Free text: Utf8.
    Text,
    /// A JSON value as text: Utf8.
    Json,
    Bool,
    I32,
    U32,
    I64,
    U64,
    /// Nanoseconds since 1970, UTC: Timestamp(ns, "UTC"); 1970 to 2262, so that no difference of two overflows.
    Time,
    /// A list of texts: List(Utf8).
    Names,
    /// List(Struct{name, kind}), as `flow.Workload`.
    Workloads,
    /// List(Struct{name, namespace, labels, revision, kind}), as `flow.Policy`.
    Policies,
    /// List(Struct{key, value}), as `flow.HTTPHeader`.
    Headers,
    /// List(Struct{ip, port}), as `flow.ServiceUpsertNotificationAddr`.
    Addresses,
    /// The set members of a message of booleans, in Hubble's order: `SYN, ACK`; empty when none is set.
    /// Dictionary(Int32, Utf8).
    Flags,
    /// Which member of a oneof is there, by name. Derived while decoding; encoding goes by [`Presence`].
    Case,
    /// Which messages are there though nothing in them may be set, one bit each (see `schema::MESSAGES`): `UInt64`.
    Presence,
}

/// What stands in a column when its message is there and the field is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    Null,
    Zero,
}

/// What a value may tell about a person or an organisation, for redaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Personal {
    /// Nothing.
    Plain,
    /// Network and hardware addresses.
    Address,
    /// Names of pods, workloads, services and namespaces.
    Pod,
    /// Labels, policy names.
    Label,
    /// Host, domain and node names.
    Host,
    /// URLs, headers, messages, free text.
    Body,
    /// Numbers that stand for one thing: trace ids, uuids, cookies.
    Identity,
}

/// One column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub name: &'static str,
    pub kind: Type,
    pub fill: Fill,
    /// Protobuf path from the envelope; `{a,b}` stands for the members of a oneof. Empty: made by the reader.
    pub path: &'static str,
    pub personal: Personal,
    /// Shown by default where there is room for a few columns only.
    pub shown: bool,
    /// Looked up by single values: files have a bloom filter on it.
    pub needle: bool,
    /// Unit of the value, or empty.
    pub unit: &'static str,
    pub doc: &'static str,
}

const fn column(
    name: &'static str,
    kind: Type,
    fill: Fill,
    path: &'static str,
    personal: Personal,
    doc: &'static str,
) -> Column {
    Column { name, kind, fill, path, personal, shown: false, needle: false, unit: "", doc }
}

impl Column {
    const fn shown(mut self) -> Self {
        self.shown = true;
        self
    }

    const fn needle(mut self) -> Self {
        self.needle = true;
        self
    }

    const fn unit(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }

    /// Whether the column is computed from others and never stored in JSON or protobuf.
    #[must_use]
    pub const fn is_derived(&self) -> bool {
        self.path.is_empty() && !matches!(self.kind, Presence | Json) && !matches!(self.name.as_bytes(), b"kind")
    }
}

/// The position of a column in [`COLUMNS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnId(pub u16);

impl ColumnId {
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "ids are positions in this very list")]
    pub fn column(self) -> &'static Column {
        &COLUMNS[usize::from(self.0)]
    }

    /// The column of a name that stands in code, and so in the table.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    pub fn known(name: &str) -> Self {
        Self::of(name).unwrap_or_else(|| unreachable!("{name} is in the column table"))
    }

    /// The column of that name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        static IDS: LazyLock<HashMap<&str, ColumnId>> =
            LazyLock::new(|| (0u16..).map(ColumnId).zip(COLUMNS).map(|(id, column)| (column.name, id)).collect());
        IDS.get(name).copied()
    }
}

/// Every column, in the order in which they stand in a file.
#[rustfmt::skip]
pub const COLUMNS: &[Column] = &[
    // What every row has.
    column("time", Time, Null, "flow.time", Plain, "When the observing agent saw the event; the envelope's time where the event has none.").shown(),
    column("node_name", Name, Null, "flow.node_name", Host, "The observing node, `cluster/node` unless the cluster is `default`; the envelope's where the event has none.").shown(),
    column("kind", Name, Null, "", Plain, "Which event the row is: `flow`, `lost_events`, `node_status`, `agent_event` or `debug_event`."),
    column("envelope_time", Time, Null, "time", Plain, "The envelope's time, only where it differs from the event's."),
    column("envelope_node_name", Name, Null, "node_name", Host, "The envelope's node name, only where it differs from the event's."),
    column("messages", Presence, Null, "", Plain, "Which messages were there, one bit each, so that `\"source\":{}` and no source at all stay apart."),
    column("extra", Json, Null, "", Body, "What the reader does not know, or knows with another type, as JSON, in its place: `{\"flow\":{\"new_field\":1}}`."),

    // flow.Flow, in the order of its declaration.
    column("uuid", Text, Null, "flow.uuid", Identity, "Unique for each observation, not for each packet.").needle(),
    column("emitter_name", Name, Null, "flow.emitter.name", Plain, "The program that made the flow."),
    column("emitter_version", Name, Null, "flow.emitter.version", Plain, "Its version."),
    column("verdict", Name, Null, "flow.verdict", Plain, "FORWARDED, DROPPED, ERROR, AUDIT, REDIRECTED, TRACED or TRANSLATED.").shown(),
    column("drop_reason", U32, Null, "flow.drop_reason", Plain, "The number of `drop_reason_desc`."),
    column("auth_type", Name, Null, "flow.auth_type", Plain, "Mutual authentication asked for: SPIRE, TEST_ALWAYS_FAIL."),
    column("ethernet_source", Name, Null, "flow.ethernet.source", Address, "Source hardware address."),
    column("ethernet_destination", Name, Null, "flow.ethernet.destination", Address, "Destination hardware address."),
    column("source_ip", Name, Null, "flow.IP.source", Address, "Source address of this packet; replies have it reversed (see `client_ip`).").shown().needle(),
    column("source_ip_xlated", Name, Null, "flow.IP.source_xlated", Address, "Source address after source NAT."),
    column("destination_ip", Name, Null, "flow.IP.destination", Address, "Destination address of this packet.").shown().needle(),
    column("ip_version", Name, Null, "flow.IP.ipVersion", Plain, "IPv4 or IPv6."),
    column("ip_encrypted", Bool, Zero, "flow.IP.encrypted", Plain, "Whether the packet was encrypted by Cilium."),
    column("l4_protocol", Case, Null, "flow.l4.*", Plain, "TCP, UDP, ICMPv4, ICMPv6, SCTP, VRRP or IGMP.").shown(),
    column("source_port", U32, Zero, "flow.l4.{TCP,UDP,SCTP}.source_port", Plain, "Source port of this packet.").shown(),
    column("destination_port", U32, Zero, "flow.l4.{TCP,UDP,SCTP}.destination_port", Plain, "Destination port of this packet.").shown(),
    column("tcp_flags", Flags, Null, "flow.l4.TCP.flags", Plain, "TCP flags in Hubble's order, such as `SYN, ACK`."),
    column("icmp_type", U32, Zero, "flow.l4.{ICMPv4,ICMPv6}.type", Plain, "ICMP type."),
    column("icmp_code", U32, Zero, "flow.l4.{ICMPv4,ICMPv6}.code", Plain, "ICMP code."),
    column("sctp_chunk_type", Name, Null, "flow.l4.SCTP.chunk_type", Plain, "SCTP chunk: INIT, SHUTDOWN, ABORT, …"),
    column("vrrp_type", U32, Zero, "flow.l4.VRRP.type", Plain, "VRRP type."),
    column("vrrp_vrid", U32, Zero, "flow.l4.VRRP.vrid", Plain, "VRRP virtual router."),
    column("vrrp_priority", U32, Zero, "flow.l4.VRRP.priority", Plain, "VRRP priority."),
    column("igmp_type", U32, Zero, "flow.l4.IGMP.type", Plain, "IGMP type."),
    column("igmp_group_address", Name, Null, "flow.l4.IGMP.group_address", Address, "IGMP group."),
    column("tunnel_protocol", Name, Null, "flow.tunnel.protocol", Plain, "VXLAN or GENEVE."),
    column("tunnel_source_ip", Name, Null, "flow.tunnel.IP.source", Address, "Outer source address."),
    column("tunnel_source_ip_xlated", Name, Null, "flow.tunnel.IP.source_xlated", Address, "Outer source address after source NAT."),
    column("tunnel_destination_ip", Name, Null, "flow.tunnel.IP.destination", Address, "Outer destination address."),
    column("tunnel_ip_version", Name, Null, "flow.tunnel.IP.ipVersion", Plain, "Outer IP version."),
    column("tunnel_ip_encrypted", Bool, Null, "flow.tunnel.IP.encrypted", Plain, "Whether the outer packet was encrypted."),
    column("tunnel_l4_protocol", Case, Null, "flow.tunnel.l4.*", Plain, "Outer layer 4 protocol."),
    column("tunnel_source_port", U32, Zero, "flow.tunnel.l4.{TCP,UDP,SCTP}.source_port", Plain, "Outer source port."),
    column("tunnel_destination_port", U32, Zero, "flow.tunnel.l4.{TCP,UDP,SCTP}.destination_port", Plain, "Outer destination port."),
    column("tunnel_tcp_flags", Flags, Null, "flow.tunnel.l4.TCP.flags", Plain, "Outer TCP flags."),
    column("tunnel_icmp_type", U32, Null, "flow.tunnel.l4.{ICMPv4,ICMPv6}.type", Plain, "Outer ICMP type."),
    column("tunnel_icmp_code", U32, Null, "flow.tunnel.l4.{ICMPv4,ICMPv6}.code", Plain, "Outer ICMP code."),
    column("tunnel_sctp_chunk_type", Name, Null, "flow.tunnel.l4.SCTP.chunk_type", Plain, "Outer SCTP chunk."),
    column("tunnel_vrrp_type", U32, Null, "flow.tunnel.l4.VRRP.type", Plain, "Outer VRRP type."),
    column("tunnel_vrrp_vrid", U32, Null, "flow.tunnel.l4.VRRP.vrid", Plain, "Outer VRRP virtual router."),
    column("tunnel_vrrp_priority", U32, Null, "flow.tunnel.l4.VRRP.priority", Plain, "Outer VRRP priority."),
    column("tunnel_igmp_type", U32, Null, "flow.tunnel.l4.IGMP.type", Plain, "Outer IGMP type."),
    column("tunnel_igmp_group_address", Name, Null, "flow.tunnel.l4.IGMP.group_address", Address, "Outer IGMP group."),
    column("tunnel_vni", U32, Null, "flow.tunnel.vni", Plain, "Virtual network identifier."),
    column("source_endpoint_id", U32, Null, "flow.source.ID", Plain, "Cilium endpoint, numbered by node."),
    column("source_identity", U32, Zero, "flow.source.identity", Plain, "Security identity; 0 unknown, 1 host, 2 world, … (docs/questions.md)."),
    column("source_cluster_name", Name, Null, "flow.source.cluster_name", Pod, "Cluster of the source."),
    column("source_namespace", Name, Null, "flow.source.namespace", Pod, "Namespace of the source.").shown(),
    column("source_labels", Names, Null, "flow.source.labels", Label, "Security labels, such as `k8s:app=web`."),
    column("source_pod", Name, Null, "flow.source.pod_name", Pod, "Pod of the source.").shown().needle(),
    column("source_workloads", Workloads, Null, "flow.source.workloads", Pod, "Workloads that own the source; filled for endpoints on the observing node only."),
    column("destination_endpoint_id", U32, Null, "flow.destination.ID", Plain, "Cilium endpoint, numbered by node."),
    column("destination_identity", U32, Zero, "flow.destination.identity", Plain, "Security identity of the destination."),
    column("destination_cluster_name", Name, Null, "flow.destination.cluster_name", Pod, "Cluster of the destination."),
    column("destination_namespace", Name, Null, "flow.destination.namespace", Pod, "Namespace of the destination.").shown(),
    column("destination_labels", Names, Null, "flow.destination.labels", Label, "Security labels of the destination."),
    column("destination_pod", Name, Null, "flow.destination.pod_name", Pod, "Pod of the destination.").shown().needle(),
    column("destination_workloads", Workloads, Null, "flow.destination.workloads", Pod, "Workloads that own the destination."),
    column("flow_type", Name, Null, "flow.Type", Plain, "L3_L4, L7 or SOCK."),
    column("node_labels", Names, Null, "flow.node_labels", Label, "Labels of the observing node."),
    column("source_names", Names, Null, "flow.source_names", Host, "DNS names of the source, from the observing node's FQDN cache.").needle(),
    column("destination_names", Names, Null, "flow.destination_names", Host, "DNS names of the destination, from the observing node's FQDN cache.").needle(),
    column("l7_type", Name, Null, "flow.l7.type", Plain, "REQUEST, RESPONSE or SAMPLE.").shown(),
    column("latency_ns", U64, Null, "flow.l7.latency_ns", Plain, "Time from request to response as the proxy measured it; NULL is unknown, not 0; in SQL at most 2^53.").unit("ns"),
    column("l7_protocol", Case, Null, "flow.l7.*", Plain, "dns, http or kafka."),
    column("dns_query", Text, Null, "flow.l7.dns.query", Host, "Name asked for, usually with a trailing dot.").needle(),
    column("dns_ips", Names, Null, "flow.l7.dns.ips", Address, "Addresses answered."),
    column("dns_ttl", U32, Null, "flow.l7.dns.ttl", Plain, "Time to live; 4294967295 is no answer.").unit("s"),
    column("dns_cnames", Names, Null, "flow.l7.dns.cnames", Host, "Canonical names passed on the way."),
    column("dns_observation_source", Name, Null, "flow.l7.dns.observation_source", Plain, "Who saw it: `proxy` or `agent`."),
    column("dns_rcode", U32, Zero, "flow.l7.dns.rcode", Plain, "Response code; 0 NOERROR, 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED. 0 on requests too."),
    column("dns_qtypes", Names, Null, "flow.l7.dns.qtypes", Plain, "Types asked for: A, AAAA, SRV, …"),
    column("dns_rrtypes", Names, Null, "flow.l7.dns.rrtypes", Plain, "Types answered."),
    column("http_code", U32, Null, "flow.l7.http.code", Plain, "Status; NULL on requests."),
    column("http_method", Name, Null, "flow.l7.http.method", Plain, "Method."),
    column("http_url", Text, Null, "flow.l7.http.url", Body, "URL as the proxy saw it, absolute or not."),
    column("http_protocol", Name, Null, "flow.l7.http.protocol", Plain, "HTTP/1.1, HTTP/2, …"),
    column("http_headers", Headers, Null, "flow.l7.http.headers", Body, "Headers."),
    column("kafka_error_code", I32, Zero, "flow.l7.kafka.error_code", Plain, "Kafka error; 0 none."),
    column("kafka_api_version", I32, Null, "flow.l7.kafka.api_version", Plain, "Kafka API version."),
    column("kafka_api_key", Name, Null, "flow.l7.kafka.api_key", Plain, "Kafka call: produce, fetch, …"),
    column("kafka_correlation_id", I32, Null, "flow.l7.kafka.correlation_id", Plain, "Joins a Kafka answer to its request."),
    column("kafka_topic", Name, Null, "flow.l7.kafka.topic", Body, "Kafka topic."),
    column("reply", Bool, Null, "flow.reply", Plain, "Deprecated form of `is_reply`, true or absent."),
    column("event_type", I32, Zero, "flow.event_type.type", Plain, "1 drop, 3 capture, 4 trace, 5 policy verdict, 7 socket trace, 129 layer 7."),
    column("event_sub_type", I32, Zero, "flow.event_type.sub_type", Plain, "Trace point (0 to-endpoint, 3 to-stack, …), drop reason or socket point."),
    column("source_service_name", Name, Null, "flow.source_service.name", Pod, "Kubernetes service of the source address."),
    column("source_service_namespace", Name, Null, "flow.source_service.namespace", Pod, "Its namespace."),
    column("destination_service_name", Name, Null, "flow.destination_service.name", Pod, "Kubernetes service of the destination address."),
    column("destination_service_namespace", Name, Null, "flow.destination_service.namespace", Pod, "Its namespace."),
    column("traffic_direction", Name, Null, "flow.traffic_direction", Plain, "INGRESS or EGRESS: whose policy hook saw it, not which way the packet went.").shown(),
    column("policy_match_type", U32, Null, "flow.policy_match_type", Plain, "1 L3-only, 2 L3-L4, 3 L4-only, 4 all, 5 L3-proto, 6 proto-only; NULL none."),
    column("trace_observation_point", Name, Null, "flow.trace_observation_point", Plain, "TO_ENDPOINT, TO_STACK, FROM_NETWORK, …"),
    column("trace_reason", Name, Null, "flow.trace_reason", Plain, "Connection tracking state: NEW, ESTABLISHED, REPLY, RELATED, …"),
    column("file_name", Name, Null, "flow.file.name", Plain, "Source file of Cilium's datapath that dropped the packet."),
    column("file_line", U32, Null, "flow.file.line", Plain, "Line in that file."),
    column("ip_trace_id", U64, Null, "flow.ip_trace_id.trace_id", Identity, "Trace id carried in an IP option."),
    column("ip_trace_option_type", U32, Null, "flow.ip_trace_id.ip_option_type", Plain, "That IP option."),
    column("drop_reason_desc", Name, Null, "flow.drop_reason_desc", Plain, "Why the packet was dropped.").shown(),
    column("is_reply", Bool, Null, "flow.is_reply", Plain, "Whether the packet goes back to the client; NULL is unknown, not false."),
    column("debug_capture_point", Name, Null, "flow.debug_capture_point", Plain, "Where a debug capture was taken."),
    column("interface_index", U32, Null, "flow.interface.index", Plain, "Network interface."),
    column("interface_name", Name, Null, "flow.interface.name", Plain, "Its name."),
    column("proxy_port", U32, Null, "flow.proxy_port", Plain, "Port of the proxy that the packet went to."),
    column("trace_id", Text, Null, "flow.trace_context.parent.trace_id", Identity, "W3C trace id from the request's headers.").needle(),
    column("sock_xlate_point", Name, Null, "flow.sock_xlate_point", Plain, "Socket translation: before or after, forward or reverse."),
    column("socket_cookie", U64, Null, "flow.socket_cookie", Identity, "Kernel socket."),
    column("cgroup_id", U64, Null, "flow.cgroup_id", Identity, "Control group of the process."),
    column("summary", Text, Null, "flow.Summary", Body, "One line about the flow, made by the agent."),
    column("extensions", Json, Null, "flow.extensions", Body, "Other producers' own data, a google.protobuf.Any in JSON."),
    column("egress_allowed_by", Policies, Null, "flow.egress_allowed_by", Label, "Policies that allowed it at the source."),
    column("ingress_allowed_by", Policies, Null, "flow.ingress_allowed_by", Label, "Policies that allowed it at the destination."),
    column("egress_denied_by", Policies, Null, "flow.egress_denied_by", Label, "Policies that explicitly denied it at the source; a default deny has none."),
    column("ingress_denied_by", Policies, Null, "flow.ingress_denied_by", Label, "Policies that explicitly denied it at the destination."),
    column("policy_log", Names, Null, "flow.policy_log", Label, "Log texts of the policies that matched."),
    column("aggregate_ingress_count", U32, Zero, "flow.aggregate.ingress_flow_count", Plain, "Flows that this line stands for, seen at ingress; not to be added to egress."),
    column("aggregate_egress_count", U32, Zero, "flow.aggregate.egress_flow_count", Plain, "Flows that this line stands for, seen at egress."),
    column("aggregate_unknown_count", U32, Zero, "flow.aggregate.unknown_direction_flow_count", Plain, "Flows that this line stands for, of unknown direction."),

    // relay.NodeStatusEvent.
    column("node_state_change", Name, Null, "node_status.state_change", Plain, "NODE_CONNECTED, NODE_UNAVAILABLE, NODE_GONE or NODE_ERROR."),
    column("node_status_names", Names, Null, "node_status.node_names", Host, "Nodes that changed."),
    column("node_status_message", Text, Null, "node_status.message", Body, "Why."),

    // flow.LostEvent.
    column("lost_source", Name, Null, "lost_events.source", Plain, "Where events were lost: PERF_EVENT_RING_BUFFER, OBSERVER_EVENTS_QUEUE or HUBBLE_RING_BUFFER."),
    column("lost_count", U64, Zero, "lost_events.num_events_lost", Plain, "How many events were lost; in SQL at most 2^53.").unit("events"),
    column("lost_cpu", I32, Null, "lost_events.cpu", Plain, "On which CPU."),
    column("lost_first", Time, Null, "lost_events.first", Plain, "When the first was lost."),
    column("lost_last", Time, Null, "lost_events.last", Plain, "When the last was lost."),

    // flow.AgentEvent.
    column("agent_event_type", Name, Null, "agent_event.type", Plain, "AGENT_STARTED, POLICY_UPDATED, ENDPOINT_CREATED, …"),
    column("agent_notification", Case, Null, "agent_event.*", Plain, "Which notification the event carries."),
    column("agent_unknown_type", Name, Null, "agent_event.unknown.type", Plain, "Type of a notification unknown to the agent's API."),
    column("agent_unknown_notification", Text, Null, "agent_event.unknown.notification", Body, "Its text."),
    column("agent_start_time", Time, Null, "agent_event.agent_start.time", Plain, "When the agent started."),
    column("policy_update_labels", Names, Null, "agent_event.policy_update.labels", Label, "Labels of the policy."),
    column("policy_update_revision", U64, Null, "agent_event.policy_update.revision", Plain, "Policy revision."),
    column("policy_update_rule_count", I64, Null, "agent_event.policy_update.rule_count", Plain, "Rules in it."),
    column("endpoint_regenerate_id", U64, Null, "agent_event.endpoint_regenerate.id", Plain, "Endpoint."),
    column("endpoint_regenerate_labels", Names, Null, "agent_event.endpoint_regenerate.labels", Label, "Its labels."),
    column("endpoint_regenerate_error", Text, Null, "agent_event.endpoint_regenerate.error", Body, "What failed."),
    column("endpoint_update_id", U64, Null, "agent_event.endpoint_update.id", Plain, "Endpoint."),
    column("endpoint_update_labels", Names, Null, "agent_event.endpoint_update.labels", Label, "Its labels."),
    column("endpoint_update_error", Text, Null, "agent_event.endpoint_update.error", Body, "What failed."),
    column("endpoint_update_pod", Name, Null, "agent_event.endpoint_update.pod_name", Pod, "Its pod."),
    column("endpoint_update_namespace", Name, Null, "agent_event.endpoint_update.namespace", Pod, "Its namespace."),
    column("ipcache_cidr", Name, Null, "agent_event.ipcache_update.cidr", Address, "Address range."),
    column("ipcache_identity", U32, Null, "agent_event.ipcache_update.identity", Plain, "Its identity."),
    column("ipcache_old_identity", U32, Null, "agent_event.ipcache_update.old_identity", Plain, "Its identity before."),
    column("ipcache_host_ip", Name, Null, "agent_event.ipcache_update.host_ip", Address, "Node that it lives on."),
    column("ipcache_old_host_ip", Name, Null, "agent_event.ipcache_update.old_host_ip", Address, "Node before."),
    column("ipcache_encrypt_key", U32, Null, "agent_event.ipcache_update.encrypt_key", Plain, "Encryption key index."),
    column("ipcache_namespace", Name, Null, "agent_event.ipcache_update.namespace", Pod, "Namespace."),
    column("ipcache_pod", Name, Null, "agent_event.ipcache_update.pod_name", Pod, "Pod."),
    column("service_upsert_id", U32, Null, "agent_event.service_upsert.id", Plain, "Service."),
    column("service_upsert_frontend_ip", Name, Null, "agent_event.service_upsert.frontend_address.ip", Address, "Frontend address."),
    column("service_upsert_frontend_port", U32, Null, "agent_event.service_upsert.frontend_address.port", Plain, "Frontend port."),
    column("service_upsert_backends", Addresses, Null, "agent_event.service_upsert.backend_addresses", Address, "Backends."),
    column("service_upsert_type", Name, Null, "agent_event.service_upsert.type", Plain, "ClusterIP, NodePort, …"),
    column("service_upsert_traffic_policy", Name, Null, "agent_event.service_upsert.traffic_policy", Plain, "Deprecated traffic policy."),
    column("service_upsert_name", Name, Null, "agent_event.service_upsert.name", Pod, "Name."),
    column("service_upsert_namespace", Name, Null, "agent_event.service_upsert.namespace", Pod, "Namespace."),
    column("service_upsert_ext_traffic_policy", Name, Null, "agent_event.service_upsert.ext_traffic_policy", Plain, "External traffic policy."),
    column("service_upsert_int_traffic_policy", Name, Null, "agent_event.service_upsert.int_traffic_policy", Plain, "Internal traffic policy."),
    column("service_delete_id", U32, Null, "agent_event.service_delete.id", Plain, "Service."),

    // flow.DebugEvent.
    column("debug_event_type", Name, Null, "debug_event.type", Plain, "DBG_CT_LOOKUP, …"),
    column("debug_source_endpoint_id", U32, Null, "debug_event.source.ID", Plain, "Endpoint."),
    column("debug_source_identity", U32, Null, "debug_event.source.identity", Plain, "Identity."),
    column("debug_source_cluster_name", Name, Null, "debug_event.source.cluster_name", Pod, "Cluster."),
    column("debug_source_namespace", Name, Null, "debug_event.source.namespace", Pod, "Namespace."),
    column("debug_source_labels", Names, Null, "debug_event.source.labels", Label, "Labels."),
    column("debug_source_pod", Name, Null, "debug_event.source.pod_name", Pod, "Pod."),
    column("debug_source_workloads", Workloads, Null, "debug_event.source.workloads", Pod, "Workloads."),
    column("debug_hash", U32, Null, "debug_event.hash", Plain, "Packet hash (MARK)."),
    column("debug_arg1", U32, Null, "debug_event.arg1", Plain, "First argument."),
    column("debug_arg2", U32, Null, "debug_event.arg2", Plain, "Second argument."),
    column("debug_arg3", U32, Null, "debug_event.arg3", Plain, "Third argument."),
    column("debug_message", Text, Null, "debug_event.message", Body, "Message."),
    column("debug_cpu", I32, Null, "debug_event.cpu", Plain, "CPU."),

    // Made from the columns above when a question asks for them (see `derive`).
    column("time_ns", I64, Null, "", Plain, "`time` as a whole number, for arithmetic that every SQL engine agrees on.").unit("ns since 1970"),
    column("lost_first_ns", I64, Null, "", Plain, "`lost_first` as a whole number.").unit("ns since 1970"),
    column("lost_last_ns", I64, Null, "", Plain, "`lost_last` as a whole number.").unit("ns since 1970"),
    column("direction", Name, Null, "", Plain, "`forward` from client to server, `reply` back, or `unknown`; see docs/questions.md for the rule."),
    column("client", Name, Null, "", Pod, "Best name of the client: `namespace/workload`, a service, a DNS name, `world`, `host`, or its address. The source where the direction is unknown."),
    column("client_namespace", Name, Null, "", Pod, "Namespace of the client."),
    column("client_pod", Name, Null, "", Pod, "Pod of the client."),
    column("client_ip", Name, Null, "", Address, "Address of the client."),
    column("client_port", U32, Null, "", Plain, "Port of the client."),
    column("client_identity", U32, Null, "", Plain, "Security identity of the client."),
    column("server", Name, Null, "", Pod, "Best name of the server. The destination where the direction is unknown."),
    column("server_namespace", Name, Null, "", Pod, "Namespace of the server."),
    column("server_pod", Name, Null, "", Pod, "Pod of the server."),
    column("server_ip", Name, Null, "", Address, "Address of the server."),
    column("server_port", U32, Null, "", Plain, "Port of the server."),
    column("server_identity", U32, Null, "", Plain, "Security identity of the server."),
    column("connection_id", Text, Null, "", Identity, "Protocol, client address and port, server address and port, as one text; NULL without addresses."),
    column("request_id", Text, Null, "", Identity, "Value of the HTTP header X-Request-Id."),
    column("dns_qtype", Name, Null, "", Plain, "First of `dns_qtypes`."),
    column("dns_has_answer", Bool, Null, "", Plain, "Whether a DNS answer carries an address, a canonical name or a record type that was asked for."),
    column("client_is_outside", Bool, Null, "", Plain, "Whether the client's identity is outside the cluster: world (2, 9, 10, 13) or a CIDR (16777216 and up); NULL when unknown."),
    column("server_is_outside", Bool, Null, "", Plain, "Whether the server's identity is outside the cluster."),
    column("denied_by", Text, Null, "", Label, "Policies that explicitly denied the packet, `namespace/name`, joined by `, `."),
];
