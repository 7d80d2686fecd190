//! What bounds an import, whatever is in a log.

/// What an import keeps to.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Rows that are sorted at once.
    pub block_rows: usize,
    /// Bytes of rows waiting to be sorted, over all hours and nodes.
    pub waiting: usize,
    /// Bytes of row groups not yet written, over all files.
    pub unwritten: usize,
    /// Files being written at a time.
    pub files: usize,
    /// Hours and nodes that are told apart at a time. As many are in all, and one more for every 256 rows: what comes
    /// beyond, from a log of nothing but odd times and names, goes to the files of no known time, which every reader looks
    /// into. So files hold some rows, whatever is in a log.
    pub partitions: usize,
    /// After so many rows, inputs or partitions an import is committed at the end of an input, so that little is done
    /// again if it is killed.
    pub commit_rows: u64,
    pub commit_inputs: usize,
    pub commit_partitions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            block_rows: 32 * 1024,
            waiting: 96 << 20,
            unwritten: 192 << 20,
            files: 48,
            partitions: 512,
            commit_rows: 4_000_000,
            commit_inputs: 1024,
            commit_partitions: 256,
        }
    }
}
