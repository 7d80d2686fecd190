//! Rows by their groups.

/// The rows of each group: numbers of rows, group after group.
pub(super) struct Groups<'a, T> {
    rows: &'a [T],
    order: Vec<u32>,
    /// Where each group ends in the order.
    ends: Vec<u32>,
}

/// Puts rows, of which 32 bits number all, in the order of their groups; within a group they stay in theirs.
pub(super) fn by_group<T>(rows: &[T], groups: usize, of: impl Fn(&T) -> u32) -> Groups<'_, T> {
    let mut ends = vec![0u32; groups + 1];
    for row in rows {
        if let Some(end) = ends.get_mut(of(row) as usize + 1) {
            *end += 1;
        }
    }
    let mut sum = 0;
    for end in &mut ends {
        sum += *end;
        *end = sum;
    }
    // Each begins where the one before it ends; the beginnings move to the ends as rows are put there.
    let mut order = vec![0u32; rows.len()];
    for (at, row) in (0u32..).zip(rows) {
        if let Some(next) = ends.get_mut(of(row) as usize) {
            if let Some(place) = order.get_mut(*next as usize) {
                *place = at;
            }
            *next += 1;
        }
    }
    ends.truncate(groups);
    Groups { rows, order, ends }
}

impl<'a, T> Groups<'a, T> {
    pub(super) fn iter(&self) -> impl Iterator<Item = Vec<&'a T>> {
        let mut begin = 0;
        self.ends.iter().map(move |end| {
            let end = *end as usize;
            let of = self.order.get(begin..end).unwrap_or_default().iter();
            begin = end;
            of.filter_map(|at| self.rows.get(*at as usize)).collect()
        })
    }
}
