//! Messages, member by member.

use super::memo::Memo;
use super::plan::{self, Inner, Kind, Plan, Slot};
use super::tape::{Entry, Mark, Next, Run, Stranger, Value};
use super::{Span, State, narrow, plain_text, scan, within};
use crate::json::Reader;
use crate::json::plain::{flags, structs, texts};
use crate::rows::Rows;
use crate::schema::{BODIES, ENVELOPE, MessageId, SCHEMA};

impl State {
    /// Reads a message, whose brace stands at `at`; gives where it ends.
    pub(super) fn message(
        &mut self,
        plan: &Plan,
        id: MessageId,
        line: &str,
        at: usize,
        rows: &mut Rows,
    ) -> Option<usize> {
        let bytes = line.as_bytes();
        let message = plan.messages.get(id)?;
        let start = at;
        if bytes.get(at) != Some(&b'{') {
            return None;
        }
        let mut at = at + 1;
        let mut seen = 0u64;
        let mut has_member = false;
        let mut previous = message.fields.len();
        let mut is_over = bytes.get(at) == Some(&b'}');
        at += usize::from(is_over);
        while !is_over {
            let rest = bytes.get(at..)?;
            let runs = plan.memos + message.follows + previous;
            let knows_runs = self.pays(runs);
            let follows = usize::from(*self.follows.get(message.follows + previous)?);
            let expected = message.fields.get(follows)?;
            let (position, field) = if (expected.ends_run || !knows_runs) && expected.key.is_at(rest) {
                at += expected.key.length;
                (follows, expected)
            } else {
                let known = if knows_runs { self.known_run(runs, at, rest, seen) } else { None };
                let (end, run) = match known {
                    Some(known) => known,
                    None => self.new_run(plan, id, line, at, seen, previous, rows)?,
                };
                at = end;
                seen |= run.seen;
                match run.next {
                    Next::End => break,
                    Next::Field(next) => (next, message.fields.get(next)?),
                    Next::Stranger => {
                        at = self.stranger(id, line, at)? + 1;
                        match bytes.get(at - 1)? {
                            b',' => continue,
                            b'}' => break,
                            _ => return None,
                        }
                    }
                }
            };
            if seen & (1 << position) != 0 {
                return None;
            }
            seen |= 1 << position;
            previous = position;
            if field.in_oneof {
                if std::mem::replace(&mut has_member, true) {
                    return None;
                }
                if id == ENVELOPE {
                    self.event.kind = BODIES.iter().copied().find(|body| *body == field.name);
                }
                if let Some(case) = message.case {
                    self.tape.set(case, Value::Fixed(field.name));
                }
            }
            at = self.value(plan, &field.kind, line, at, rows)? + 1;
            match bytes.get(at - 1)? {
                b',' => {}
                b'}' => is_over = true,
                _ => return None,
            }
        }
        self.event.presence |= message.bit;
        for (position, slot) in &message.zeros {
            if seen & (1 << position) == 0 {
                self.tape.set(*slot, Value::Number(0));
            }
        }
        if message.is_endpoint && self.learns {
            self.endpoints.push((narrow(start)?, narrow(at)?));
        }
        Some(at)
    }

    /// Reads the members from here to the next one that is none for a run, and remembers them; gives where they end.
    #[cold]
    #[expect(clippy::too_many_arguments, reason = "the message, where it stands, and what came of it before")]
    fn new_run(
        &mut self,
        plan: &Plan,
        id: MessageId,
        line: &str,
        at: usize,
        seen: u64,
        mut previous: usize,
        rows: &mut Rows,
    ) -> Option<(usize, Run)> {
        let bytes = line.as_bytes();
        let message = plan.messages.get(id)?;
        let runs = plan.memos + message.follows + previous;
        let mark = self.mark(at);
        let mut run = Run::default();
        let mut at = at;
        loop {
            let Some(position) = self.key(message, bytes.get(at..)?, previous) else {
                at = stranger_key(id, line, at)?;
                run.next = Next::Stranger;
                break;
            };
            let field = message.fields.get(position)?;
            at += field.key.length;
            if field.ends_run || !self.pays(runs) {
                run.next = Next::Field(position);
                break;
            }
            if (seen | run.seen) & (1 << position) != 0 {
                return None;
            }
            run.seen |= 1 << position;
            previous = position;
            at = self.value(plan, &field.kind, line, at, rows)? + 1;
            match bytes.get(at - 1)? {
                b',' => {}
                b'}' => break,
                _ => return None,
            }
        }
        self.remember(plan, runs, &mark, run, line, at, rows)?;
        Some((at, run))
    }

    /// Passes over the value of a member that no known version has, whose key ends at `at`; gives where it ends.
    fn stranger(&mut self, id: MessageId, line: &str, at: usize) -> Option<usize> {
        // The key stands before its quote and the colon, and has no quote in it.
        let key_end = at.checked_sub(2)?;
        let name = (narrow(line.get(..key_end)?.rfind('"')? + 1)?, narrow(key_end)?);
        let known = self.tape.strangers.iter().filter(|stranger| stranger.message == id);
        if known.into_iter().any(|known| within(line, known.name) == within(line, name)) {
            return None;
        }
        let mut reader = Reader::starting(line, at, depth(id));
        reader.skip().ok()?;
        let json = (narrow(at)?, narrow(reader.at())?);
        self.tape.strangers.push(Stranger { message: id, name, json });
        Some(reader.at())
    }

    #[inline]
    fn pays(&mut self, memo: usize) -> bool {
        self.memos.get_mut(memo).is_some_and(Memo::pays)
    }

    /// Takes a run of members that is known, none of whose fields came before; gives where it ends.
    #[inline]
    fn known_run(&mut self, memo: usize, at: usize, rest: &[u8], seen: u64) -> Option<(usize, Run)> {
        let (length, number) = self.memos.get_mut(memo)?.find(rest)?;
        let run = self.memos.get(memo)?.get(number)?.run;
        if run.seen & seen != 0 {
            return None;
        }
        self.take(memo, number)?;
        let moved = |(from, to): Span| Some((narrow(at + from as usize)?, narrow(at + to as usize)?));
        if let Some(node) = run.node {
            self.event.node = moved(node);
        }
        if let Some(node) = run.envelope_node {
            self.event.envelope_node = moved(node);
        }
        Some((at + length, run))
    }

    /// Puts on the tape what is known of a value.
    fn take(&mut self, memo: usize, number: usize) -> Option<()> {
        let entry = self.memos.get(memo)?.get(number)?;
        self.event.presence |= entry.presence;
        for (slot, value) in &entry.asked {
            self.tape.set(*slot, *value);
        }
        if !entry.kept.is_empty() {
            self.tape.met.push((narrow(memo)?, narrow(number)?));
        }
        Some(())
    }

    /// Begins something that is to be known.
    fn mark(&mut self, at: usize) -> Mark {
        let presence = std::mem::take(&mut self.event.presence);
        Mark { at, set: self.tape.set, met: self.tape.met.len(), strangers: self.tape.strangers.len(), presence }
    }

    /// Remembers what began at the mark and ends here.
    #[expect(clippy::too_many_arguments, reason = "what is remembered, where it stands, and where its names are kept")]
    fn remember(
        &mut self,
        plan: &Plan,
        memo: usize,
        mark: &Mark,
        run: Run,
        line: &str,
        at: usize,
        rows: &mut Rows,
    ) -> Option<()> {
        let presence = std::mem::replace(&mut self.event.presence, mark.presence);
        self.event.presence |= presence;
        if !self.pays(memo) || self.tape.strangers.len() > mark.strangers {
            return Some(());
        }
        let (mut asked, mut kept) = (Vec::new(), Vec::new());
        for slot in self.tape.since(mark.set) {
            let target = plan.slots.get(usize::from(slot))?;
            let value = match self.tape.get(slot)? {
                Value::Text(span) => Value::Known(rows.number_of_text(target.column, within(line, span)?)?),
                // Its text is of this line.
                Value::Unescaped(_) => return Some(()),
                value => value,
            };
            if target.is_asked {
                asked.push((slot, value));
            } else {
                kept.push((target.column, value));
            }
        }
        for (memo, number) in self.tape.met.get(mark.met..)? {
            kept.extend_from_slice(&self.memos.get(*memo as usize)?.get(*number as usize)?.kept);
        }
        let own = |span: Option<Span>| {
            let (from, to) = span?;
            Some((from.checked_sub(narrow(mark.at)?)?, to.checked_sub(narrow(mark.at)?)?))
        };
        let (node, envelope_node) = (own(self.event.node), own(self.event.envelope_node));
        let run = Run { node, envelope_node, ..run };
        let entry = Entry { presence, asked: asked.into(), kept: kept.into(), run };
        let memo = self.memos.get_mut(memo)?;
        memo.add(line.as_bytes().get(mark.at..at)?, entry);
        self.is_full |= memo.is_full();
        Some(())
    }

    /// The position of the field whose key stands here.
    fn key(&mut self, message: &plan::Message, rest: &[u8], previous: usize) -> Option<usize> {
        let follows = self.follows.get_mut(message.follows + previous)?;
        if message.fields.get(usize::from(*follows))?.key.is_at(rest) {
            return Some(usize::from(*follows));
        }
        // An exporter writes fields in the order of their declaration.
        let after = if previous == message.fields.len() { 0 } else { previous + 1 };
        let (before, behind) = message.fields.split_at_checked(after)?;
        let is_here = |field: &plan::Field| field.key.is_at(rest);
        let position = match behind.iter().position(is_here) {
            Some(position) => after + position,
            None => before.iter().position(is_here)?,
        };
        *follows = u8::try_from(position).ok()?;
        Some(position)
    }

    /// Reads a value, gives where it ends.
    fn value(&mut self, plan: &Plan, kind: &Kind, line: &str, at: usize, rows: &mut Rows) -> Option<usize> {
        let bytes = line.as_bytes();
        match kind {
            Kind::Message(child) => self.message(plan, *child, line, at, rows),
            Kind::Memo { memo, of } => {
                if self.pays(*memo)
                    && let Some((length, number)) = self.memos.get_mut(*memo)?.find(bytes.get(at..)?)
                {
                    self.take(*memo, number)?;
                    return Some(at + length);
                }
                self.new_value(plan, *memo, of, line, at, rows)
            }
            Kind::Text(slot) => {
                let (value, end) = self.text(line, at)?;
                match (slot, value) {
                    // An empty text is no text.
                    (_, Value::Text((from, to))) if from == to => {}
                    (Some(slot), value) => self.tape.set(*slot, value),
                    _ => {}
                }
                Some(end)
            }
            Kind::Name { names, target, of } => {
                let span = plain_text(bytes, at)?;
                let name = within(line, span)?;
                let value = match self.names.get(*names)?.find(name) {
                    Some(value) => *value,
                    None => {
                        // An empty text is no text, the enum's zero no value; what the enum has not is odd.
                        let is_none = match of {
                            Some(values) => values.number(name)? == 0,
                            None => name.is_empty(),
                        };
                        let known = |(_, column)| rows.number_of_text(column, name).map(Value::Known);
                        let value = target.filter(|_| !is_none).and_then(known);
                        self.names.get_mut(*names)?.add(name, value);
                        value
                    }
                };
                if let (Some((slot, _)), Some(value)) = (target, value) {
                    self.tape.set(*slot, value);
                }
                Some(span.1 as usize + 1)
            }
            Kind::Bool { slot, keep_zero } => {
                let (value, end) = scan::truth(bytes, at)?;
                if let Some(slot) = slot
                    && (value || *keep_zero)
                {
                    self.tape.set(*slot, Value::Number(value.into()));
                }
                Some(end)
            }
            Kind::Number { slot, keep_zero, most } => {
                let (value, end) = scan::whole(bytes, at).filter(|(value, _)| value <= most)?;
                if let Some(slot) = slot
                    && (value != 0 || *keep_zero)
                {
                    self.tape.set(*slot, Value::Number(value));
                }
                Some(end)
            }
            Kind::Time(slot) => {
                let (nanos, end) = self.time(line, at)?;
                if let Some(slot) = slot {
                    self.tape.set(*slot, Value::Number(nanos.unsigned_abs()));
                }
                Some(end)
            }
            Kind::EventTime => {
                let (nanos, end) = self.time(line, at)?;
                self.event.time = Some(nanos);
                Some(end)
            }
            Kind::EnvelopeTime => {
                let (nanos, end) = self.time(line, at)?;
                self.event.envelope_time = Some(nanos);
                Some(end)
            }
            Kind::EventNode => {
                let span = plain_text(bytes, at)?;
                self.event.node = Some(span).filter(|(from, to)| from != to);
                Some(span.1 as usize + 1)
            }
            Kind::EnvelopeNode => {
                let span = plain_text(bytes, at)?;
                self.event.envelope_node = Some(span).filter(|(from, to)| from != to);
                Some(span.1 as usize + 1)
            }
            Kind::Odd => None,
        }
    }

    /// Reads a message or list that is not known, and remembers it.
    fn new_value(
        &mut self,
        plan: &Plan,
        memo: usize,
        of: &Inner,
        line: &str,
        at: usize,
        rows: &mut Rows,
    ) -> Option<usize> {
        let mark = self.mark(at);
        let end = self.unknown(plan, of, line, at, rows)?;
        self.remember(plan, memo, &mark, Run::default(), line, end, rows)?;
        Some(end)
    }

    /// Reads a message or list that is not known.
    fn unknown(&mut self, plan: &Plan, of: &Inner, line: &str, at: usize, rows: &mut Rows) -> Option<usize> {
        let mut reader = Reader::starting(line, at, 0);
        let mut put = |slot: &Option<Slot>, number: Option<i32>| {
            if let (Some(slot), Some(number)) = (slot, number) {
                self.tape.set(*slot, Value::Known(number));
            }
        };
        self.list.clear();
        match of {
            Inner::Message(child) => return self.message(plan, *child, line, at, rows),
            Inner::Texts(column, slot) => {
                if let Some(end) = scan::texts(line.as_bytes(), at, &mut self.list) {
                    if !self.list.is_empty() && slot.is_some() {
                        put(slot, rows.number_of_list(*column, &self.list));
                    }
                    return Some(end);
                }
                let texts = texts(&mut reader).ok()??;
                if !texts.is_empty() && slot.is_some() {
                    put(slot, rows.number_of_texts(*column, &texts));
                }
            }
            Inner::Structs(column, members, slot) => {
                if let Some(end) = scan::structs(members, line.as_bytes(), at, &mut self.list) {
                    if !self.list.is_empty() && slot.is_some() {
                        put(slot, rows.number_of_list(*column, &self.list));
                    }
                    return Some(end);
                }
                let (items, true) = structs(members, &mut reader, slot.is_some()).ok()? else { return None };
                if !items.is_empty() {
                    put(slot, rows.number_of_structs(*column, &items));
                }
            }
            Inner::Flags(column, names, slot) => {
                let (text, true) = flags(names, &mut reader).ok()?? else { return None };
                put(slot, rows.number_of_text(*column, &text));
            }
        }
        Some(reader.at())
    }

    /// Reads a text with escapes or without; gives where it ends, behind its quote.
    fn text(&mut self, line: &str, at: usize) -> Option<(Value, usize)> {
        let bytes = line.as_bytes();
        if bytes.get(at) != Some(&b'"') {
            return None;
        }
        let end = scan::text_end(bytes, at + 1)?;
        match bytes.get(end)? {
            b'"' => Some((Value::Text((narrow(at + 1)?, narrow(end)?)), end + 1)),
            b'\\' => {
                let mut reader = Reader::starting(line, at, 0);
                let text = reader.text().ok()?.into_owned();
                if text.is_empty() {
                    return None;
                }
                self.tape.unescaped.push(text);
                Some((Value::Unescaped(narrow(self.tape.unescaped.len() - 1)?), reader.at()))
            }
            _ => None,
        }
    }

    #[inline]
    fn time(&mut self, line: &str, at: usize) -> Option<(i64, usize)> {
        let rest = line.get(at..)?.strip_prefix('"')?;
        if let Some((before, nanos)) = self.time
            && let Some(text) = line.get(before.0 as usize..=before.1 as usize)
            && rest.as_bytes().starts_with(text.as_bytes())
        {
            return Some((nanos, at + 1 + text.len()));
        }
        let (nanos, length) = self.clock.read(rest)?;
        let from = at + 1;
        self.time = Some(((narrow(from)?, narrow(from + length)?), nanos));
        Some((nanos, from + length + 1))
    }
}

/// Where a key ends that no field of the message has, in either spelling.
fn stranger_key(id: MessageId, line: &str, at: usize) -> Option<usize> {
    let (from, to) = scan::plain_text(line.as_bytes(), at)?;
    let is_stranger = SCHEMA.message(id).by_name(line.get(from..to)?).is_none();
    (is_stranger && line.as_bytes().get(to + 1) == Some(&b':')).then_some(to + 2)
}

/// How many braces are open within a message.
fn depth(mut id: MessageId) -> usize {
    let mut depth = 1;
    while id != ENVELOPE {
        id = SCHEMA.message(id).parent;
        depth += 1;
    }
    depth
}
