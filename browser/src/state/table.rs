//! A cursor in a table, and which lines are in sight.

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableCursor {
    pub at: usize,
    /// The first line in sight.
    pub top: usize,
}

/// How a cursor moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    Up,
    Down,
    PageUp,
    PageDown,
    Top,
    Bottom,
}

impl TableCursor {
    /// Moves among so many lines of which so many are in sight.
    pub fn go(&mut self, step: Move, lines: usize, room: usize) {
        let last = lines.saturating_sub(1);
        let room = room.max(1);
        let at = match step {
            Move::Up => self.at.saturating_sub(1),
            Move::Down => self.at + 1,
            Move::PageUp => self.at.saturating_sub(room),
            Move::PageDown => self.at + room,
            Move::Top => 0,
            Move::Bottom => last,
        };
        self.set(at, lines, room);
    }

    /// Goes to a line, and keeps it in sight.
    pub fn set(&mut self, at: usize, lines: usize, room: usize) {
        let room = room.max(1);
        self.at = at.min(lines.saturating_sub(1));
        if self.at < self.top {
            self.top = self.at;
        } else if self.at >= self.top + room {
            self.top = self.at + 1 - room;
        }
        self.top = self.top.min(lines.saturating_sub(room));
    }

    /// Goes to a line, and shows some before it.
    pub fn jump(&mut self, at: usize, lines: usize, room: usize) {
        if at < self.top || at >= self.top + room.max(1) {
            self.top = at.saturating_sub(room / 3);
        }
        self.set(at, lines, room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_stays_in_the_table_and_in_sight() {
        let mut cursor = TableCursor::default();
        for (step, at, top) in [
            (Move::Up, 0, 0),
            (Move::PageDown, 5, 1),
            (Move::PageDown, 10, 6),
            (Move::Bottom, 11, 7),
            (Move::Down, 11, 7),
            (Move::PageUp, 6, 6),
            (Move::Top, 0, 0),
        ] {
            cursor.go(step, 12, 5);
            assert_eq!((cursor.at, cursor.top), (at, top), "{step:?}");
        }
        cursor.go(Move::Bottom, 0, 5);
        assert_eq!(cursor, TableCursor::default());
        cursor.jump(50, 100, 10);
        assert_eq!((cursor.at, cursor.top), (50, 47));
    }
}
