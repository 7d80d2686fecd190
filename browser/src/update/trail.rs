//! A step down to what the row under the cursor is part of, and back up.

use super::filter;
use crate::data::query::with_word;
use crate::message::Effect;
use crate::state::State;
use crate::state::trail::{Crumb, Level, step};

pub(super) fn act(state: &mut State, is_down: bool) -> Vec<Effect> {
    if is_down { deeper(state) } else { shallower(state) }
}

/// To the next level that the row has: its namespace, its workload, both of its ends, its connection.
fn deeper(state: &mut State) -> Vec<Effect> {
    forget(state);
    let Some(row) = state.current().cloned() else { return Vec::new() };
    let base = state.trail.first().map_or(&state.query.text, |crumb| &crumb.before).clone();
    // A level that the row does not have, or that shows the same, is passed over.
    let rest = Level::ALL.iter().skip(state.trail.last().map_or(0, |crumb| crumb.level + 1));
    let next =
        rest.copied().zip(state.trail.last().map_or(0, |crumb| crumb.level + 1)..).find_map(|(level, number)| {
            let (name, words) = step(level, &state.columns, &row)?;
            let filter = with_word(&base, &words);
            (filter != state.query.text).then_some(Crumb {
                name,
                level: number,
                filter,
                before: state.query.text.clone(),
            })
        });
    let Some(crumb) = next else {
        state.say("nothing below this; the columns of both ends must be shown");
        return Vec::new();
    };
    state.wanted = row.time;
    let effects = filter::change(state, &crumb.filter);
    if state.query.text == crumb.filter {
        state.trail.push(crumb);
    }
    effects
}

fn shallower(state: &mut State) -> Vec<Effect> {
    forget(state);
    let Some(crumb) = state.trail.pop() else {
        state.say("nothing above this; ] goes down to the namespace of the line");
        return Vec::new();
    };
    state.wanted = state.current().and_then(|row| row.time);
    filter::change(state, &crumb.before)
}

/// Where the filter was changed otherwise, the steps lead nowhere any more.
fn forget(state: &mut State) {
    if state.trail.last().is_some_and(|crumb| crumb.filter != state.query.text) {
        state.trail.clear();
    }
}
