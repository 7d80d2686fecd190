//! In which column what stands: cycles are cut where they weigh least, then what is asked stands right of who asks.

use std::collections::BTreeMap;

/// Columns, from 0, for so many things. Two with an arrow between never stand in the same one.
pub(crate) fn ranks(count: usize, arrows: &BTreeMap<(usize, usize), u64>) -> Vec<usize> {
    let place = places(count, arrows);
    let at = |thing: usize| place.get(thing).copied().unwrap_or_default();
    let mut forward: Vec<(usize, usize)> = arrows
        .keys()
        .filter(|(from, to)| from != to)
        .map(|&(from, to)| if at(from) < at(to) { (from, to) } else { (to, from) })
        .collect();
    forward.sort_by_key(|&(from, to)| (at(from), at(to)));
    forward.dedup();

    let mut ranks = vec![0_usize; count];
    let rank = |ranks: &[usize], thing: usize| ranks.get(thing).copied().unwrap_or_default();
    for &(from, to) in &forward {
        let next = rank(&ranks, from) + 1;
        if let Some(rank) = ranks.get_mut(to) {
            *rank = next.max(*rank);
        }
    }
    // Whoever asks more than is asked of it moves up to what it asks.
    let mut balance = vec![(0_usize, 0_usize, usize::MAX); count];
    for &(from, to) in forward.iter().rev() {
        // All arrows from `to` are behind this one, and so it stands already where it will.
        if let Some((_, out, _)) = balance.get_mut(from) {
            *out += 1;
        }
        if let Some((into, _, _)) = balance.get_mut(to) {
            *into += 1;
        }
    }
    let mut by_place: Vec<usize> = (0..count).collect();
    by_place.sort_by_key(|&thing| std::cmp::Reverse(at(thing)));
    for thing in by_place {
        let Some(&(into, out, _)) = balance.get(thing) else { continue };
        let first = forward.iter().filter(|(from, _)| *from == thing).map(|&(_, to)| rank(&ranks, to)).min();
        if let (true, Some(first), Some(rank)) = (into < out, first, ranks.get_mut(thing)) {
            *rank = first.saturating_sub(1).max(*rank);
        }
    }
    ranks
}

/// An order in which little points back: the greedy heuristic of Eades, Lin and Smyth (1993), by weight.
fn places(count: usize, arrows: &BTreeMap<(usize, usize), u64>) -> Vec<usize> {
    let mut left: Vec<usize> = Vec::new();
    let mut right: Vec<usize> = Vec::new();
    let mut open: Vec<bool> = vec![true; count];
    // Weight and number of what comes in and goes out, among those that have no place yet.
    let mut sums = vec![[(0_u128, 0_usize); 2]; count];
    let mut touching: Vec<Vec<(usize, usize, u64)>> = vec![Vec::new(); count];
    for (&(from, to), &weight) in arrows.iter().filter(|((from, to), _)| from != to) {
        for (thing, way, other) in [(from, 1, to), (to, 0, from)] {
            if let Some((sum, many)) = sums.get_mut(thing).and_then(|sums| sums.get_mut(way)) {
                *sum += u128::from(weight);
                *many += 1;
            }
            if let Some(touching) = touching.get_mut(thing) {
                touching.push((other, way, weight));
            }
        }
    }
    for _ in 0..count {
        let candidates = || sums.iter().enumerate().filter(|(thing, _)| open.get(*thing) == Some(&true));
        let source = candidates().find(|(_, [(_, into), _])| *into == 0);
        let sink = candidates().find(|(_, [_, (_, out)])| *out == 0);
        let excess = |[(into, _), (out, _)]: &[(u128, usize); 2]| {
            i128::try_from(*out).unwrap_or(i128::MAX) - i128::try_from(*into).unwrap_or(i128::MAX)
        };
        let chosen = match (source, sink) {
            (Some((thing, _)), _) => {
                left.push(thing);
                thing
            }
            (None, Some((thing, _))) => {
                right.push(thing);
                thing
            }
            (None, None) => {
                let Some((thing, _)) =
                    candidates().max_by_key(|(thing, sums)| (excess(sums), std::cmp::Reverse(*thing)))
                else {
                    break;
                };
                left.push(thing);
                thing
            }
        };
        if let Some(open) = open.get_mut(chosen) {
            *open = false;
        }
        for (other, way, weight) in touching.get(chosen).into_iter().flatten() {
            // What goes out here comes in there.
            if let Some((sum, many)) = sums.get_mut(*other).and_then(|sums| sums.get_mut(1 - way)) {
                *sum = sum.saturating_sub(u128::from(*weight));
                *many = many.saturating_sub(1);
            }
        }
    }
    let mut places = vec![0; count];
    for (place, thing) in left.into_iter().chain(right.into_iter().rev()).enumerate() {
        if let Some(slot) = places.get_mut(thing) {
            *slot = place;
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(count: usize, arrows: &[(usize, usize, u64)]) -> Vec<usize> {
        ranks(count, &arrows.iter().map(|&(from, to, weight)| ((from, to), weight)).collect())
    }

    #[test]
    fn what_is_asked_stands_right_of_who_asks() {
        assert_eq!(of(4, &[(0, 1, 1), (1, 2, 1), (0, 2, 1)]), [0, 1, 2, 0]);
        // A client of the last one alone stands just left of it.
        assert_eq!(of(4, &[(0, 1, 1), (1, 2, 1), (3, 2, 1)]), [0, 1, 2, 1]);
    }

    #[test]
    fn a_cycle_is_cut_where_it_weighs_least() {
        assert_eq!(of(3, &[(0, 1, 10), (1, 2, 10), (2, 0, 1)]), [0, 1, 2]);
        assert_eq!(of(3, &[(0, 1, 1), (1, 2, 10), (2, 0, 10)]), [2, 0, 1]);
        assert_eq!(of(1, &[(0, 0, 1)]), [0]);
    }
}
