//! Lines → archive → lines, whatever their order; what a crash leaves behind; what is passed over unread.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod reference;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use arrow::array::{AsArray as _, RecordBatch};
use arrow::datatypes::TimestampNanosecondType;
use lookback_flow::archive::compact::compact;
use lookback_flow::archive::content::Content;
use lookback_flow::archive::journal::{ImportedInput, Journal};
use lookback_flow::archive::layout::hour_of;
use lookback_flow::archive::merge::write_lines;
use lookback_flow::archive::{Archive, ArchiveError, ArchiveWriter, Limits};
use lookback_flow::columns::ColumnId;
use lookback_flow::coverage::Coverage;
use lookback_flow::json::{Decoder, encode};
use lookback_flow::rows::Projection;
use lookback_flow::segment::{Needle, Origin, Pattern, SegmentFile, SegmentInfo, SegmentWriter, Wanted};
use lookback_flow::view::View;
use reference::{Random, event, line};

fn batch(lines: &[String]) -> RecordBatch {
    let mut decoder = Decoder::new(Projection::all());
    lines.iter().for_each(|line| decoder.line(line.as_bytes()).unwrap());
    decoder.finish().unwrap()
}

fn input(name: &str) -> ImportedInput {
    ImportedInput { origins: vec![Origin { name: name.to_owned(), ..Origin::default() }], content: None }
}

/// Imports lines as logs of so many lines each, all in one import.
fn import(root: &Path, lines: &[String], log: usize) {
    let mut writer = ArchiveWriter::open(root).unwrap();
    for (number, lines) in lines.chunks(log).enumerate() {
        writer.begin_input(&number.to_string());
        for lines in lines.chunks(100) {
            writer.add(&batch(lines)).unwrap();
        }
        writer.end_input(input(&number.to_string())).unwrap();
    }
    writer.commit().unwrap();
}

fn export(root: &Path) -> Vec<String> {
    let mut out = Vec::new();
    let archive = Archive::at(root).unwrap();
    let written = write_lines(&archive, None, &mut out, |_| ()).unwrap();
    let lines: Vec<String> = String::from_utf8(out).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(written.lines, lines.len() as u64);
    lines
}

fn files(root: &Path) -> Vec<PathBuf> {
    Archive::at(root).unwrap().all_files().unwrap()
}

fn rows(path: &Path, projection: &Projection, wanted: &Wanted) -> Vec<RecordBatch> {
    SegmentFile::open(path).unwrap().read(projection, wanted, None).unwrap().map(Result::unwrap).collect()
}

/// A plain flow: a node, a time in nanoseconds since a full hour, a number that tells it from others.
fn flow(node: u64, nanos: i64, number: u64) -> String {
    let time = chrono::DateTime::from_timestamp_nanos(1_772_359_200_000_000_000 + nanos);
    let time = time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
    format!(
        r#"{{"flow":{{"time":"{time}","uuid":"{number}","source":{{"pod_name":"pod-{}"}},"node_name":"node-{node}"}},"node_name":"node-{node}","time":"{time}"}}"#,
        number % 97
    )
}

/// The time of a line, those without one last.
fn time(line: &str) -> i64 {
    let (_, time) = line.rsplit_once("\"time\":\"").unwrap_or_default();
    chrono::DateTime::parse_from_rfc3339(time.trim_end_matches("\"}"))
        .map_or(i64::MAX, |time| time.timestamp_nanos_opt().unwrap_or(i64::MAX))
}

/// Lines in the order of time; those of the same time as they came.
fn by_time(lines: &[String]) -> Vec<String> {
    let mut lines = lines.to_vec();
    lines.sort_by_key(|line| time(line));
    lines
}

/// That they are the same, or where they first differ.
#[track_caller]
fn assert_same(found: &[String], expected: &[String]) {
    assert_eq!(found.len(), expected.len());
    let differ = found.iter().zip(expected).enumerate().find(|(_, (found, expected))| found != expected);
    assert_eq!(differ, None);
}

#[test]
fn events_of_all_kinds_with_all_fields_come_out_as_they_went_in() {
    let folder = tempfile::tempdir().unwrap();
    let lines: Vec<String> = (0..300).map(|seed| line(&event(&mut Random(seed), false))).collect();
    import(folder.path(), &lines, 50);
    let (mut before, mut after) = (lines, export(folder.path()));
    before.sort_unstable();
    after.sort_unstable();
    assert_same(&after, &before);
}

#[test]
fn lines_in_any_order_come_out_in_the_order_of_time() {
    let mut random = Random(1);
    for spread in [0, 1_000, 600_000_000_000, 100_000_000_000_000] {
        let folder = tempfile::tempdir().unwrap();
        let lines: Vec<String> = (0u32..5000)
            .map(|n| {
                let back = if spread == 0 { 0 } else { i64::try_from(random.below(spread)).unwrap() };
                flow(1, i64::from(n / 3) * 1_000_000 - back, n.into())
            })
            .collect();
        import(folder.path(), &lines, 1000);
        assert_same(&export(folder.path()), &by_time(&lines));
        for path in files(folder.path()) {
            let mut last = i64::MIN;
            for batch in rows(&path, &Projection::of(["time"]), &Wanted::default()) {
                for time in batch.column(0).as_primitive::<TimestampNanosecondType>().values() {
                    assert!(*time >= last, "{}", path.display());
                    last = *time;
                    assert_eq!(hour_of(&path).unwrap().0, Some(time.div_euclid(3_600_000_000_000)));
                }
            }
        }
    }
}

#[test]
fn more_rows_than_are_sorted_at_once_and_stragglers_between_them() {
    let folder = tempfile::tempdir().unwrap();
    // Every thousandth line is a minute late, far beyond what is held back.
    let lines: Vec<String> = (0u32..100_000)
        .map(|n| flow(1, i64::from(n) * 1_000_000 - if n % 1000 == 999 { 60_000_000_000 } else { 0 }, n.into()))
        .collect();
    import(folder.path(), &lines, 30_000);
    assert_same(&export(folder.path()), &by_time(&lines));
    assert!(files(folder.path()).len() <= 6, "{} files", files(folder.path()).len());
}

#[test]
fn many_nodes_take_few_files_and_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random(2);
    let lines: Vec<String> = (0..2000)
        .map(|n| flow(random.below(12), i64::try_from(random.below(8 * 3_600_000_000_000)).unwrap(), n))
        .collect();
    import(folder.path(), &lines, 700);
    assert_same(&export(folder.path()), &by_time(&lines));
    // Nodes are mixed, so that files hold some rows; each tells of all its own.
    assert!(files(folder.path()).len() <= 3 * 8, "{} files", files(folder.path()).len());
    let mut covers = Coverage::default();
    for path in files(folder.path()) {
        let info = SegmentFile::open(&path).unwrap().info;
        assert!(!info.origins.is_empty());
        covers.merge(info.coverage.unwrap());
    }
    assert_eq!((covers.events(), covers.nodes.len()), (2000, 12));
}

/// Whatever the limits and the order of lines, every line comes out once, in its place.
#[test]
fn limits_bound_memory_and_lose_nothing() {
    let mut random = Random(4);
    for round in 0..12 {
        let mut upto = |most: u64| usize::try_from(1 + random.below(most)).unwrap();
        let limits = Limits {
            block_rows: upto(60),
            waiting: upto(2) * 500_000,
            unwritten: upto(2) * 500_000,
            files: upto(4),
            partitions: upto(6),
            commit_rows: upto(400) as u64,
            commit_inputs: upto(4),
            commit_partitions: upto(6),
        };
        let folder = tempfile::tempdir().unwrap();
        let mut writer = ArchiveWriter::with_limits(folder.path(), limits).unwrap();
        let mut lines = Vec::new();
        // Times of two hours in any order or nearly in order, none the same, of three nodes.
        let spread = [10, 1_000, 7_200][round % 3];
        for log in 0..5u32 {
            writer.begin_input(&log.to_string());
            for _ in 0..2 {
                let some: Vec<String> = (0..50)
                    .map(|_| {
                        let n = lines.len() as u64;
                        let second = (n * 10 + random.below(spread)) % 7_200;
                        let line = flow(n % 3, i64::try_from(second * 1_000_000_000 + n).unwrap(), n);
                        lines.push(line.clone());
                        line
                    })
                    .collect();
                writer.add(&batch(&some)).unwrap();
            }
            writer.end_input(input(&log.to_string())).unwrap();
        }
        writer.commit().unwrap();
        assert_same(&export(folder.path()), &by_time(&lines));
        let told: u64 =
            Journal::new(folder.path()).imports().unwrap().iter().flat_map(|i| &i.files).map(|f| f.rows).sum();
        assert_eq!(told, lines.len() as u64, "{limits:?}");
    }
}

/// Puts a file back to where its writer, killed meanwhile, had it.
fn move_back(root: &Path, path: &str, staged: &str) {
    let staged = root.join(staged);
    fs::create_dir_all(staged.parent().unwrap()).unwrap();
    fs::rename(root.join(path), staged).unwrap();
}

/// Puts an import back to where it was after its commit, with so many files moved already.
fn unfinish(root: &Path, moved: usize) {
    let imports = root.join("imports");
    let record = fs::read_dir(&imports).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    let import = Journal::new(root).imports().unwrap().pop().unwrap();
    for file in import.files.iter().skip(moved) {
        move_back(root, &file.path, &file.staged);
    }
    fs::rename(record, root.join("importing/commit.json")).unwrap();
}

#[test]
fn what_is_committed_is_there_wherever_its_files_are() {
    let lines: Vec<String> = (0..100).map(|n| flow(n % 4, i64::try_from(n).unwrap(), n)).collect();
    for moved in 0..=4 {
        let folder = tempfile::tempdir().unwrap();
        import(folder.path(), &lines[..50], 10);
        import(folder.path(), &lines[50..], 10);
        unfinish(folder.path(), moved);
        assert_same(&export(folder.path()), &lines);
        // What was being written by an import that never committed is none of it.
        let killed = folder.path().join("importing/0123456789abcdef");
        fs::create_dir(&killed).unwrap();
        fs::write(killed.join("99999999.parquet"), "PAR1 and half a file").unwrap();
        fs::write(killed.join("lock"), "").unwrap();
        fs::write(folder.path().join("importing/commit.json.tmp"), "{").unwrap();
        drop(ArchiveWriter::open(folder.path()).unwrap());
        assert_same(&export(folder.path()), &lines);
        assert!(files(folder.path()).iter().all(|path| path.starts_with(folder.path().join("flows"))));
        assert_eq!(fs::read_dir(folder.path().join("importing")).unwrap().count(), 1, "the lock alone");
        assert_eq!(Journal::new(folder.path()).imports().unwrap().len(), 2);
    }
}

/// Puts a merge back to where it was after its commit: the new file moved or not, so many old ones put away.
fn unmerge(root: &Path, is_moved: bool, away: usize) {
    let imports = root.join("imports");
    let record = fs::read_dir(&imports).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    let import = Journal::new(root).imports().unwrap().pop().unwrap();
    let [file] = import.files.as_slice() else { panic!("a merge makes one file") };
    if !is_moved {
        move_back(root, &file.path, &file.staged);
    }
    for path in import.removes.iter().skip(away) {
        let inside = Path::new(path).strip_prefix("flows").unwrap();
        fs::rename(root.join("replaced").join(inside), root.join(path)).unwrap();
    }
    fs::rename(record, root.join("importing/commit.json")).unwrap();
}

#[test]
fn a_merge_is_whole_wherever_it_is_stopped() {
    // Many lines of the same few times, in files of one node and hour.
    let lines: Vec<String> = (0..90).map(|n| flow(1, i64::try_from(n % 7).unwrap(), n)).collect();
    let of_imports = |folder: &Path| lines.chunks(30).for_each(|lines| import(folder, lines, 30));
    for (is_moved, away) in [(false, 0), (true, 0), (true, 1), (true, 3)] {
        let folder = tempfile::tempdir().unwrap();
        of_imports(folder.path());
        let before = export(folder.path());
        let archive = Archive::at(folder.path()).unwrap();
        let listed = files(folder.path());
        let compacted = compact(&archive, 1 << 30, |_| ()).unwrap();
        assert_eq!((compacted.files, compacted.rows, compacted.left.len()), ((3, 1), 90, 0));
        assert_eq!(export(folder.path()), before, "also among lines of the same time");
        assert_eq!(files(folder.path()).len(), 1);
        // Whoever had listed the files before finds them.
        let rows: u64 = listed.iter().map(|path| SegmentFile::open(path).unwrap().rows).sum();
        assert_eq!(rows, 90);
        unmerge(folder.path(), is_moved, away);
        assert_eq!(export(folder.path()), before, "{is_moved} {away}");
        drop(ArchiveWriter::open(folder.path()).unwrap());
        assert_eq!(export(folder.path()), before);
        assert_eq!(files(folder.path()).len(), 1);
        let info = SegmentFile::open(&files(folder.path())[0]).unwrap().info;
        assert_eq!(info.origins.len(), 1, "logs of one name and no hash are one");
        // The numbers of files go on.
        import(folder.path(), &[flow(1, 50, 99)], 1);
        assert_eq!(files(folder.path()).len(), 2);
        assert_eq!(export(folder.path()).len(), 91);
    }
}

#[test]
fn a_commit_that_is_stopped_half_way_is_carried_out_by_the_next_import() {
    let folder = tempfile::tempdir().unwrap();
    let hour = |hour: i64, n: u64| flow(1, hour * 3_600_000_000_000, n);
    import(folder.path(), &[hour(0, 0)], 1);
    // The first of two folders can be made, the second cannot.
    let obstacle = folder.path().join("flows/date=2026-03-01/hour=12");
    fs::write(&obstacle, "").unwrap();
    let lines = [hour(0, 0), hour(1, 1), hour(2, 2)];
    let mut writer = ArchiveWriter::open(folder.path()).unwrap();
    writer.begin_input("a");
    writer.add(&batch(&lines[1..])).unwrap();
    writer.end_input(input("a")).unwrap();
    assert!(matches!(writer.commit(), Err(ArchiveError::Io { .. })));
    drop(writer);
    assert!(folder.path().join("flows/date=2026-03-01/hour=11").is_dir(), "one file was moved");
    assert_same(&export(folder.path()), &lines);
    assert!(matches!(ArchiveWriter::open(folder.path()), Err(ArchiveError::Io { .. })));
    assert_same(&export(folder.path()), &lines);
    fs::remove_file(obstacle).unwrap();
    drop(ArchiveWriter::open(folder.path()).unwrap());
    assert_same(&export(folder.path()), &lines);
    assert_eq!(files(folder.path()).iter().filter(|path| path.starts_with(folder.path().join("flows"))).count(), 3);
}

#[test]
fn what_was_not_committed_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = ArchiveWriter::open(folder.path()).unwrap();
    writer.begin_input("a");
    writer.add(&batch(&[flow(1, 0, 0)])).unwrap();
    drop(writer);
    assert_eq!(files(folder.path()), Vec::<PathBuf>::new());
    assert!(export(folder.path()).is_empty());
    assert_eq!(fs::read_dir(folder.path().join("importing")).unwrap().count(), 1, "the lock alone");
}

/// A log's content, as far as it is told by its first line.
fn content(head: &str) -> Content {
    Content { head_sha256: head.to_owned(), ..Content::default() }
}

#[test]
fn several_write_at_once_and_each_file_has_a_number_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let lines: Vec<String> = (0..90).map(|n| flow(n % 2, i64::try_from(n).unwrap(), n)).collect();
    let mut writers: Vec<ArchiveWriter> = (0..3).map(|_| ArchiveWriter::open(folder.path()).unwrap()).collect();
    for round in lines.chunks(30) {
        for (writer, lines) in writers.iter_mut().zip(round.chunks(10)) {
            writer.add(&batch(lines)).unwrap();
            writer.end_input(input("a")).unwrap();
        }
        // The last one first: each finds others before it.
        writers.iter_mut().rev().for_each(|writer| writer.commit().unwrap());
    }
    assert_same(&export(folder.path()), &lines);
    let made = Journal::new(folder.path()).files().unwrap();
    let numbers: BTreeSet<u64> = made.iter().map(|file| file.sequence).collect();
    assert_eq!((made.len(), numbers.len()), (18, 18));
    assert!(made.iter().all(|file| file.path.ends_with(&format!("-{:08}.parquet", file.sequence))));
    // One of them goes on while another merges, and expires.
    let archive = Archive::at(folder.path()).unwrap();
    writers[0].add(&batch(&[flow(0, 200, 200)])).unwrap();
    let mut during = 0;
    let compacted = compact(&archive, 1 << 30, |_| {
        during += 1;
        writers[1].add(&batch(&[flow(0, 100 + during, 100)])).unwrap();
        writers[1].end_input(input("b")).unwrap();
        writers[1].commit().unwrap();
    });
    let compacted = compacted.unwrap();
    assert_eq!((compacted.files, compacted.left.len(), during), ((18, 2), 0, 2));
    assert_eq!(export(folder.path()).len(), 92);
    drop(writers);
    assert_eq!(export(folder.path()).len(), 92, "what was not committed is cleared away");
    assert_eq!(fs::read_dir(folder.path().join("importing")).unwrap().count(), 1, "the lock alone");
}

#[test]
fn of_two_who_import_the_same_log_at_once_one_does() {
    let folder = tempfile::tempdir().unwrap();
    let log = |head| ImportedInput { content: Some(content(head)), ..input(head) };
    let mut writers: Vec<ArchiveWriter> = (0..3).map(|_| ArchiveWriter::open(folder.path()).unwrap()).collect();
    for (writer, head) in writers.iter_mut().zip(["same", "same", "other"]) {
        writer.add(&batch(&[flow(1, 0, 0)])).unwrap();
        writer.end_input(log(head)).unwrap();
    }
    writers[0].commit().unwrap();
    assert!(matches!(writers[1].commit(), Err(ArchiveError::Overtaken { log, .. }) if log == "same"));
    writers[2].commit().unwrap();
    drop(writers);
    assert_eq!(export(folder.path()).len(), 2);
    assert_eq!(fs::read_dir(folder.path().join("importing")).unwrap().count(), 1, "the lock alone");
}

#[test]
fn a_merge_of_files_that_another_one_merged_meanwhile_is_none() {
    let folder = tempfile::tempdir().unwrap();
    for n in 0..4 {
        import(folder.path(), &[flow(1, i64::try_from(n).unwrap(), n)], 1);
    }
    let archive = Archive::at(folder.path()).unwrap();
    let mut inner = None;
    let outer = compact(&archive, 1 << 30, |_| inner = Some(compact(&archive, 1 << 30, |_| ()).unwrap())).unwrap();
    assert_eq!(inner.unwrap().files, (4, 1));
    assert_eq!((outer.files, outer.left.len()), ((0, 0), 1), "{:?}", outer.left);
    assert_eq!((files(folder.path()).len(), export(folder.path()).len()), (1, 4));
}

#[test]
fn a_record_that_leads_out_of_the_archive_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    import(folder.path(), &[flow(1, 0, 0)], 1);
    unfinish(folder.path(), 0);
    let commit = folder.path().join("importing/commit.json");
    let record = fs::read_to_string(&commit).unwrap();
    fs::write(&commit, record.replace("\"flows/", "\"../flows/")).unwrap();
    assert!(matches!(ArchiveWriter::open(folder.path()), Err(ArchiveError::Journal { .. })));
    fs::write(&commit, "not JSON").unwrap();
    assert!(matches!(Archive::at(folder.path()).unwrap().hours(), Err(ArchiveError::Journal { .. })));
}

#[test]
fn a_folder_of_something_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.txt"), "").unwrap();
    assert!(matches!(ArchiveWriter::open(folder.path()), Err(ArchiveError::Foreign(_))));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// What of a batch a row that is wanted must fit, the plain way.
fn fits(view: &View<'_>, row: usize, wanted: &Wanted) -> bool {
    let time = view.number(ColumnId::of("time").unwrap(), row);
    let inside = wanted
        .window
        .is_none_or(|(since, until)| time.is_some_and(|time| time >= since.into() && time <= until.into()));
    let holds = |(column, pattern): &(ColumnId, Pattern)| {
        view.text(*column, row).is_some_and(|text| pattern.fits(text))
            || view.texts(*column, row).is_some_and(|texts| texts.iter().flatten().any(|item| pattern.fits(item)))
    };
    inside
        && (wanted.needles.is_empty()
            || wanted.needles.iter().any(|needle| needle.iter().all(|clause| clause.iter().any(holds))))
}

#[test]
fn nothing_that_is_wanted_is_passed_over() {
    let mut random = Random(3);
    // Flows of pods that come and go, over two row groups of two pages each.
    let lines: Vec<String> = (0u64..100_000)
        .map(|n| {
            let pod = n / 3_000 + random.below(10);
            let uuid = if n % 5 == 0 { format!("u-{n}") } else { format!("00000000-0000-4000-8000-{n:012}") };
            let names = if n % 1000 < 3 {
                format!(r#""destination_names":["host-{}.example"],"#, n / 1000)
            } else {
                String::new()
            };
            flow(1, i64::try_from(n).unwrap() * 1_000_000, n)
                .replace(&format!("\"pod-{}\"", n % 97), &format!("\"pod-{pod}\""))
                .replace(&format!("\"uuid\":\"{n}\","), &format!("\"uuid\":\"{uuid}\",{names}"))
        })
        .collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut writer = SegmentWriter::by_time(file.reopen().unwrap()).unwrap();
    for lines in lines.chunks(50_000) {
        lines.chunks(10_000).for_each(|lines| writer.write(&batch(lines)).unwrap());
        writer.end_group().unwrap();
    }
    writer.finish(&SegmentInfo::default()).unwrap();
    let some = ["time", "uuid", "source_pod", "destination_pod", "destination_names"];
    let projection = Projection::of(some);
    let whole = rows(file.path(), &projection, &Wanted::default());
    let id = |name| ColumnId::of(name).unwrap();
    let start = 1_772_359_200_000_000_000;
    let mut skipped = BTreeMap::new();
    for round in 0..60 {
        let pod = |random: &mut Random| {
            let text = format!("pod-{}", random.below(80));
            (id("source_pod"), if random.below(3) == 0 { Pattern::Begins(text) } else { Pattern::Is(text) })
        };
        let n = random.below(110_000);
        let needle: Needle = match round % 6 {
            0 => vec![vec![pod(&mut random)]],
            1 => vec![vec![pod(&mut random), (id("destination_pod"), Pattern::from("pod-1"))]],
            2 => vec![vec![(id("uuid"), Pattern::Is(format!("00000000-0000-4000-8000-{n:012}")))]],
            3 => vec![vec![(id("uuid"), Pattern::Is(format!("u-{n}")))], vec![pod(&mut random)]],
            4 => vec![vec![(id("destination_names"), Pattern::Is(format!("host-{}.example", n / 1000)))]],
            _ => Vec::new(),
        };
        let since = start + i64::try_from(random.below(100_000)).unwrap() * 1_000_000;
        let until = since + i64::try_from(random.below(30_000_000_000)).unwrap();
        let mut needles: Vec<Needle> = Some(needle).filter(|needle| !needle.is_empty()).into_iter().collect();
        if round % 4 == 3 && !needles.is_empty() {
            needles.push(vec![vec![pod(&mut random)]]);
        }
        let window = (round % 2 == 0 || needles.is_empty()).then_some((since, until));
        let wanted = Wanted { window, needles, exactly: round % 5 == 0, row_group: None };
        let found = |batches: &[RecordBatch]| -> Vec<String> {
            let mut lines = String::new();
            for batch in batches {
                let view = View::new(batch).unwrap();
                for row in (0..batch.num_rows()).filter(|row| fits(&view, *row, &wanted)) {
                    encode(&batch.slice(row, 1), &mut lines).unwrap();
                }
            }
            lines.lines().map(str::to_owned).collect()
        };
        let mut reader = SegmentFile::open(file.path()).unwrap().read(&projection, &wanted, None).unwrap();
        let read: Vec<RecordBatch> = reader.by_ref().map(Result::unwrap).collect();
        let told = reader.skipped;
        assert_same(&found(&read), &found(&whole));
        let rows = read.iter().map(RecordBatch::num_rows).sum::<usize>() as u64;
        if wanted.exactly && round % 6 < 2 {
            let only = Wanted { window: None, ..wanted.clone() };
            let fit = |batch: &RecordBatch| {
                let view = View::new(batch).unwrap();
                (0..batch.num_rows()).all(|row| fits(&view, row, &only))
            };
            assert!(read.iter().all(fit), "{wanted:?}");
            let all_is_passed_over = told.rows == 100_000;
            assert!(round % 6 == 1 || all_is_passed_over || rows + told.rows < 100_000, "{wanted:?}");
        } else if !wanted.exactly {
            assert_eq!(rows + told.rows, 100_000, "{wanted:?}");
        }
        *skipped.entry(round % 6).or_insert(0) += told.rows;
    }
    for (kind, rows) in skipped {
        assert!(rows > 100_000, "kind {kind} skipped {rows} of 1,000,000 rows");
    }
}

#[test]
fn a_file_with_any_bytes_changed_is_an_error_or_rows_and_never_a_panic() {
    let lines: Vec<String> = (0..400).map(|seed| line(&event(&mut Random(seed), false))).collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut writer = SegmentWriter::unordered(file.reopen().unwrap()).unwrap();
    let rows = batch(&lines);
    writer.write(&rows).unwrap();
    let mut coverage = Coverage::default();
    coverage.count(&rows).unwrap();
    writer.finish(&SegmentInfo { coverage: Some(coverage), ..SegmentInfo::default() }).unwrap();
    let whole = fs::read(file.path()).unwrap();
    let mut random = Random(5);
    for round in 0..600 {
        let mut bytes = whole.clone();
        for _ in 0..=random.below(3) {
            // The footer is at the end, and the part that most depends on.
            let end = if round % 2 == 0 { bytes.len() } else { bytes.len() / 3 };
            let at = bytes.len() - 1 - usize::try_from(random.below(end as u64)).unwrap();
            bytes[at] = random.next().to_le_bytes()[0];
        }
        fs::write(file.path(), &bytes).unwrap();
        let Ok(read) = SegmentFile::open(file.path()) else { continue };
        let wanted = Wanted {
            window: Some((0, i64::MAX)),
            needles: vec![vec![vec![(ColumnId::of("source_pod").unwrap(), Pattern::from("web"))]]],
            exactly: round % 6 == 0,
            row_group: None,
        };
        let wanted = if round % 3 == 0 { wanted } else { Wanted::default() };
        let Ok(reader) = read.read(&Projection::all(), &wanted, None) else { continue };
        for batch in reader.map_while(Result::ok) {
            encode(&batch, &mut String::new()).unwrap();
        }
    }
}

#[test]
fn facts_that_cannot_be_true_are_not_believed() {
    type Lie = dyn Fn(&mut Coverage, &mut Origin);
    let file = tempfile::NamedTempFile::new().unwrap();
    let info = |change: &Lie| {
        let rows = batch(&[flow(1, 0, 0)]);
        let (mut coverage, mut origin) = (Coverage::default(), Origin { lines: 1, ..Origin::default() });
        coverage.count(&rows).unwrap();
        change(&mut coverage, &mut origin);
        let mut writer = SegmentWriter::by_time(fs::File::create(file.path()).unwrap()).unwrap();
        writer.write(&rows).unwrap();
        let info = SegmentInfo { coverage: Some(coverage), origins: vec![origin], ..SegmentInfo::default() };
        writer.finish(&info).unwrap();
        SegmentFile::open(file.path()).unwrap().info
    };
    assert!(info(&|_, _| ()).coverage.is_some());
    let lies: [&Lie; 5] = [
        &|covers, _| covers.first = Some(i64::MIN),
        &|covers, _| *covers.kinds.entry("flow".to_owned()).or_default() = u64::MAX,
        &|covers, _| covers.nodes.get_mut("node-1").unwrap().minutes.extend([i64::MAX]),
        &|covers, _| covers.without_time = 2,
        &|_, origin| origin.lines = u64::MAX,
    ];
    for lie in lies {
        assert_eq!(info(lie).coverage, None);
        assert!(info(lie).origins.is_empty());
    }
}

#[test]
fn no_link_leads_out_of_an_archive() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let precious = other.path().join("notes.txt");
    fs::write(&precious, "precious").unwrap();
    import(folder.path(), &[flow(1, 0, 0)], 1);
    let lock = folder.path().join("importing/lock");
    fs::remove_file(&lock).unwrap();
    std::os::unix::fs::symlink(&precious, &lock).unwrap();
    drop(ArchiveWriter::open(folder.path()).unwrap());
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
    // A record says that a file was replaced, and a link stands where its folder was.
    let record =
        r#"{"producer":"x","at":"2020-01-01T00:00:00Z","inputs":[],"files":[],"removes":["flows/x/notes.txt"]}"#;
    fs::create_dir_all(folder.path().join("replaced")).unwrap();
    std::os::unix::fs::symlink(other.path(), folder.path().join("replaced/x")).unwrap();
    fs::write(folder.path().join("imports/00000009.json"), record).unwrap();
    let error = lookback_flow::archive::replaced::delete(folder.path(), i64::MAX).unwrap_err().to_string();
    assert!(error.contains("link"), "{error}");
    // Likewise where a commit was broken off.
    fs::remove_file(folder.path().join("imports/00000009.json")).unwrap();
    std::os::unix::fs::symlink(other.path(), folder.path().join("flows/x")).unwrap();
    fs::write(folder.path().join("importing/commit.json"), record).unwrap();
    assert!(ArchiveWriter::open(folder.path()).is_err());
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
}
