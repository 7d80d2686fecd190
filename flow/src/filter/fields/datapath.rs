//! What the datapath tells of a flow.

use std::collections::HashSet;

use super::{AGENT, COLUMNS, Columns, DEBUG, exactly, field, number, parsed, present};
use crate::columns::ColumnId;
use crate::filter::FilterError;
use crate::filter::condition::Condition;
use crate::filter::names::NodeName;
use crate::proto::flow::{
    AgentEventType, DebugEventType, DropReason, EventTypeFilter, FlowFilter, IpVersion, TcpFlags, TrafficDirection,
    Verdict,
};
use crate::segment::Pattern;
use crate::view::View;

/// What the datapath tells of a flow.
pub(super) fn datapath(filter: &FlowFilter, all: &mut Vec<Condition>) -> Result<(), FilterError> {
    let columns = &*COLUMNS;
    exactly("uuid", &filter.uuid, all);
    exactly("trace_id", &filter.trace_id, all);
    one_of("verdict", &filter.verdict, |number| Verdict::try_from(number).ok().map(|value| value.as_str_name()), all);
    one_of("traffic_direction", &filter.traffic_direction, direction, all);
    one_of("ip_version", &filter.ip_version, |n| IpVersion::try_from(n).ok().map(|value| value.as_str_name()), all);
    if !filter.drop_reason_desc.is_empty() {
        one_of("drop_reason_desc", &filter.drop_reason_desc, reason, all);
        exactly("verdict", &["DROPPED"], all);
    }
    if !filter.ip_trace_id.is_empty() {
        all.push(number(ColumnId::known("ip_trace_id"), filter.ip_trace_id.iter().map(|id| i128::from(*id)).collect()));
    }
    if !filter.interface.is_empty() {
        let wanted = filter.interface.clone();
        let Columns { interface_index, interface_name, .. } = *columns;
        all.push(present("flow.interface"));
        all.push(Condition::new([interface_index, interface_name], move |view, row| {
            let index = view.number(interface_index, row).unwrap_or_default();
            let name = view.text(interface_name, row).unwrap_or_default();
            let fits = |index_wanted: u32, name_wanted: &str| {
                (index_wanted == 0 || index == i128::from(index_wanted))
                    && (name_wanted.is_empty() || name == name_wanted)
            };
            wanted.iter().any(|interface| fits(interface.index, &interface.name))
        }));
    }
    if !filter.protocol.is_empty() {
        all.push(protocol(&filter.protocol)?);
    }
    if !filter.reply.is_empty() {
        let wanted = filter.reply.clone();
        let Columns { is_reply, verdict, .. } = *columns;
        all.push(Condition::new([is_reply, verdict], move |view, row| {
            let known = view.number(is_reply, row).map(|reply| reply != 0);
            // The UI asks for requests, dropped ones among them, which nobody knows to be one.
            let reply = known.or_else(|| (view.text(verdict, row) == Some("DROPPED")).then_some(false));
            reply.is_some_and(|reply| wanted.contains(&reply))
        }));
    }
    if !filter.encrypted.is_empty() {
        let (wanted, encrypted) = (filter.encrypted.clone(), ColumnId::known("ip_encrypted"));
        all.push(Condition::new([encrypted], move |view, row| {
            wanted.contains(&view.number(encrypted, row).is_some_and(|encrypted| encrypted != 0))
        }));
    }
    if !filter.tcp_flags.is_empty() {
        let wanted: Vec<Vec<&str>> = filter.tcp_flags.iter().map(flags).collect();
        all.push(Condition::text(ColumnId::known("tcp_flags"), move |text| {
            let Some(text) = text else { return false };
            let set: HashSet<&str> = text.split(", ").collect();
            wanted.iter().any(|flags| flags.iter().all(|flag| set.contains(flag)))
        }));
    }
    if !filter.node_name.is_empty() {
        let names = parsed("node_name", &filter.node_name, NodeName::parse)?;
        // The envelope's name is not the flow's.
        all.push(present("flow.node_name"));
        all.push(Condition::text(ColumnId::known("node_name"), move |name| {
            names.iter().any(|pattern| pattern.matches(name.unwrap_or_default()))
        }));
    }
    Ok(())
}

pub(super) fn event_type(wanted: &[EventTypeFilter], lost_match: bool) -> Condition {
    let wanted = wanted.to_vec();
    let Columns { kind, event_type, event_sub_type, agent_event_type, debug_event_type, .. } = *COLUMNS;
    let columns = [kind, event_type, event_sub_type, agent_event_type, debug_event_type];
    Condition::new(columns, move |view, row| {
        let named =
            |column, number: fn(&str) -> Option<i32>| view.text(column, row).and_then(number).unwrap_or_default();
        let number = |column| view.number(column, row).and_then(|number| i32::try_from(number).ok());
        let (found, sub_type) = match view.text(kind, row).unwrap_or("flow") {
            "lost_events" => return lost_match,
            "agent_event" => {
                (AGENT, named(agent_event_type, |name| AgentEventType::from_str_name(name).map(i32::from)))
            }
            "debug_event" => {
                (DEBUG, named(debug_event_type, |name| DebugEventType::from_str_name(name).map(i32::from)))
            }
            "flow" => match number(event_type) {
                Some(found) => (found, number(event_sub_type).unwrap_or_default()),
                None => return false,
            },
            _ => return false,
        };
        wanted.iter().any(|wanted| {
            (wanted.r#type == 0 || wanted.r#type == found) && (!wanted.match_sub_type || wanted.sub_type == sub_type)
        })
    })
}

fn protocol(wanted: &[String]) -> Result<Condition, FilterError> {
    let (mut layer_4, mut layer_7): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for name in wanted {
        match name.to_ascii_lowercase().as_str() {
            "icmp" => layer_4.extend(["ICMPv4", "ICMPv6"]),
            "icmpv4" => layer_4.push("ICMPv4"),
            "icmpv6" => layer_4.push("ICMPv6"),
            "tcp" => layer_4.push("TCP"),
            "udp" => layer_4.push("UDP"),
            "sctp" => layer_4.push("SCTP"),
            "vrrp" => layer_4.push("VRRP"),
            "igmp" => layer_4.push("IGMP"),
            "dns" => layer_7.push("dns"),
            "http" => layer_7.push("http"),
            "kafka" => layer_7.push("kafka"),
            _ => return Err(field("protocol", format!("{name:?} is no protocol that is known"))),
        }
    }
    let Columns { l4_protocol, l7_protocol, .. } = *COLUMNS;
    let of = |column, names: &[&str]| names.iter().map(|name| (column, Pattern::from(*name))).collect::<Vec<_>>();
    let clause = [of(l4_protocol, &layer_4), of(l7_protocol, &layer_7)].concat();
    let test = move |view: &View<'_>, row: usize| {
        let is = |column, names: &[&str]| view.text(column, row).is_some_and(|name| names.contains(&name));
        is(l4_protocol, &layer_4) || is(l7_protocol, &layer_7)
    };
    Ok(Condition::new([l4_protocol, l7_protocol], test).told_by(Some(clause)))
}

fn direction(number: i32) -> Option<&'static str> {
    TrafficDirection::try_from(number).ok().map(|value| value.as_str_name())
}

fn reason(number: i32) -> Option<&'static str> {
    DropReason::try_from(number).ok().map(|value| value.as_str_name())
}

fn flags(flags: &TcpFlags) -> Vec<&'static str> {
    let set = [
        (flags.syn, "SYN"),
        (flags.ack, "ACK"),
        (flags.rst, "RST"),
        (flags.fin, "FIN"),
        (flags.psh, "PSH"),
        (flags.urg, "URG"),
        (flags.ece, "ECE"),
        (flags.cwr, "CWR"),
        (flags.ns, "NS"),
    ];
    set.into_iter().filter(|(is_set, _)| *is_set).map(|(_, name)| name).collect()
}

/// A column of names of an enum must have one of these; 0 is its default, which is not written.
fn one_of(column: &str, numbers: &[i32], name: impl Fn(i32) -> Option<&'static str>, all: &mut Vec<Condition>) {
    if !numbers.is_empty() {
        let written = |number: &i32| name(*number).map_or_else(|| number.to_string(), str::to_owned);
        let default = numbers.contains(&0);
        let names: HashSet<String> = numbers.iter().filter(|number| **number != 0).map(written).collect();
        let column = ColumnId::known(column);
        let clause =
            if default { None } else { Some(names.iter().map(|name| (column, name.as_str().into())).collect()) };
        let test = move |found: Option<&str>| found.map_or(default, |found| names.contains(found));
        all.push(Condition::text(column, test).told_by(clause));
    }
}
