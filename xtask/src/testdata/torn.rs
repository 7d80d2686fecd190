//! `torn/`: files as crashes, copies and careless hands leave them. Every whole line is a good one.

use std::io::Write as _;

use anyhow::{Context as _, Result};
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};

use super::Files;
use super::cast::{CART, WEB};
use super::files::{gzip, put};
use super::observe::{Forward, Log, MS, SECOND, at, tcp};
use crate::exporter_line::TcpFlags;

/// Lines that are whole in a file that breaks off, and those that were there before.
const WHOLE: usize = 20;
const ALL: usize = 30;

pub(crate) fn files(files: &mut Files) -> Result<()> {
    let lines = lines();
    let of = |from: usize, to: usize| lines.get(from..to).unwrap_or_default().concat();
    let (first, rest) = (of(0, WHOLE), of(WHOLE, ALL));

    put(files, "torn/cut.log.gz", cut_gzip(&first, &rest)?);
    put(files, "torn/cut.log.zst", cut_zstd(&first, &rest)?);

    let mut no_newline = of(0, 3);
    no_newline.pop();
    put(files, "torn/no-newline.log", no_newline);

    let mut torn = of(0, 3);
    torn.extend_from_slice(lines.get(3).and_then(|line| line.get(..400)).context("a line of 400 bytes")?);
    put(files, "torn/torn-line.log", torn);

    put(files, "torn/empty.log", Vec::new());
    put(files, "torn/empty.log.gz", gzip(b"")?);

    let members = [gzip(&of(0, 2))?, gzip(&of(2, 5))?, gzip(b"")?, gzip(&of(5, 9))?];
    put(files, "torn/members.log.gz", members.concat());
    // The boundary of the members lies in the middle of a line.
    let (left, right) = first.split_at(first.len() / 2);
    put(files, "torn/members-in-a-line.log.gz", [gzip(left)?, gzip(right)?].concat());

    put(files, "torn/gzip-inside.log", gzip(&of(0, 4))?);
    put(files, "torn/zstd-inside.json", zstd::encode_all(&*of(0, 4), 3)?);
    put(files, "torn/plain-inside.log.gz", of(0, 4));

    // What stands beside a log while its exporter compresses it, and is to be left alone.
    put(files, "torn/events-2026-03-01T14-00-00.000.log.gz.tmp", cut_gzip(&first, &rest)?);
    Ok(())
}

/// One flow a second, all of one connection.
fn lines() -> Vec<Vec<u8>> {
    let mut log = Log::new(3);
    let connection = tcp(WEB, 41_000, CART, 8080);
    let l4 = connection.l4(Forward, Some(TcpFlags::PSH_ACK));
    for second in 0..ALL {
        let time = at(14, 0, 0) + u64::try_from(second).unwrap_or(0) * SECOND + MS;
        log.trace(time, "node-b", (&WEB, &CART), Forward, l4, "ESTABLISHED", "TO_ENDPOINT");
    }
    log.into_lines().into_values().flatten().map(|(_, line)| line).collect()
}

/// A flush ends a block of the compressed stream, so all lines before it can be read; the cut comes a few bytes later,
/// in the head of the next block, so nothing behind it can.
const INTO_NEXT_BLOCK: usize = 8;

fn cut_gzip(first: &[u8], rest: &[u8]) -> Result<Vec<u8>> {
    let mut gz: GzEncoder<Vec<u8>> = GzBuilder::new().mtime(0).write(Vec::new(), Compression::default());
    gz.write_all(first)?;
    gz.flush()?;
    let cut = gz.get_ref().len() + INTO_NEXT_BLOCK;
    gz.write_all(rest)?;
    let mut bytes = gz.finish()?;
    bytes.truncate(cut);
    Ok(bytes)
}

fn cut_zstd(first: &[u8], rest: &[u8]) -> Result<Vec<u8>> {
    let mut zst = zstd::Encoder::new(Vec::new(), 3)?;
    zst.write_all(first)?;
    zst.flush()?;
    let cut = zst.get_ref().len() + INTO_NEXT_BLOCK;
    zst.write_all(rest)?;
    let mut bytes = zst.finish()?;
    bytes.truncate(cut);
    Ok(bytes)
}
