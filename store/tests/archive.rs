//! Archives in object storage, over one in memory: what is seen, when, and what two at once do to each other.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use lookback_flow::archive::content::{Content, ContentHasher};
use lookback_flow::archive::journal::{ImportedInput, Journal};
use lookback_flow::archive::merge::write_lines;
use lookback_flow::archive::{Archive, ArchiveError, ArchiveWriter, compact, expire};
use lookback_flow::inputs::{Input, InputError, find};
use lookback_flow::json::Decoder;
use lookback_flow::rows::Projection;
use lookback_flow::segment::{Needle, Origin, Pattern, SegmentError, SegmentFile, Wanted};
use lookback_flow::store::{Blob, Entry, Folder, Store, install, store};
use lookback_store::Stores;
use object_store::memory::InMemory;

/// Object storage with moods: what is below a prefix of some name goes wrong in one way.
#[derive(Debug)]
struct Moody {
    stores: Stores,
    fetched: AtomicU64,
}

static MOODY: LazyLock<Arc<Moody>> = LazyLock::new(|| {
    let stores = Stores::with("s3://test", Arc::new(InMemory::new()));
    let moody = Arc::new(Moody { stores, fetched: AtomicU64::new(0) });
    install(Arc::clone(&moody) as Arc<dyn Store>);
    moody
});

fn is(path: &Path, mood: &str) -> bool {
    path.starts_with(format!("s3://test/{mood}"))
}

fn is_record(path: &Path) -> bool {
    path.parent().is_some_and(|folder| folder.ends_with("imports"))
}

impl Store for Moody {
    fn list(&self, folders: &[Folder]) -> io::Result<Vec<Vec<Entry>>> {
        let mut listed = self.stores.list(folders)?;
        for (folder, entries) in folders.iter().zip(&mut listed) {
            // Claims are of the day before yesterday.
            let old = is(&folder.path, "abandoned") && folder.path.ends_with("importing");
            for entry in entries.iter_mut().filter(|entry| old && !entry.name.starts_with("clock")) {
                entry.written -= 48 * 3_600_000_000_000;
            }
        }
        Ok(listed)
    }

    fn read(&self, paths: &[PathBuf]) -> Vec<io::Result<Bytes>> {
        if paths.iter().any(|path| is(path, "lost") && is_record(path)) {
            return paths.iter().map(|_| Err(ErrorKind::TimedOut.into())).collect();
        }
        self.stores.read(paths)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn Blob>> {
        Ok(Arc::new(Counted(self.stores.open(path)?, is(path, "gone"))))
    }

    fn open_soon(&self, paths: &[PathBuf]) {
        self.stores.open_soon(paths);
    }

    fn put(&self, from: &Path, to: &Path) -> io::Result<()> {
        if is(to, "full") {
            return Err(io::Error::other("there is no room"));
        }
        self.stores.put(from, to)
    }

    fn create(&self, path: &Path, content: Vec<u8>) -> io::Result<()> {
        if is(path, "unconditional") {
            let _ = self.stores.delete(path);
        }
        if is_record(path) && is(path, "lost") {
            return Err(ErrorKind::TimedOut.into());
        }
        self.stores.create(path, content)?;
        if is_record(path) && is(path, "unheard") { Err(ErrorKind::TimedOut.into()) } else { Ok(()) }
    }

    fn delete(&self, path: &Path) -> io::Result<()> {
        if is(path, "kept") && path.parent().is_some_and(|folder| folder.ends_with("importing")) {
            return Err(ErrorKind::TimedOut.into());
        }
        self.stores.delete(path)
    }
}

#[derive(Debug)]
struct Counted(Arc<dyn Blob>, bool);

impl Blob for Counted {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read(&self, range: std::ops::Range<u64>) -> io::Result<Bytes> {
        self.0.read(range)
    }

    fn read_some(&self, start: u64, most: u64) -> io::Result<Bytes> {
        self.0.read_some(start, most)
    }

    fn soon(&self, ranges: &[std::ops::Range<u64>]) -> io::Result<()> {
        if self.1 {
            return Err(ErrorKind::ConnectionReset.into());
        }
        let bytes: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        MOODY.fetched.fetch_add(bytes, Ordering::Relaxed);
        self.0.soon(ranges)
    }
}

/// A place of its own for a test, in this mood.
fn root(mood: &str) -> PathBuf {
    LazyLock::force(&MOODY);
    Path::new("s3://test").join(mood)
}

/// A flow: in which hour, and a number that tells it from others.
fn line(hour: u64, number: u64) -> String {
    let time = format!("2026-03-01T{hour:02}:00:00.{number:06}001Z");
    format!(
        r#"{{"flow":{{"time":"{time}","uuid":"{number}","verdict":"FORWARDED","source":{{"pod_name":"pod-{}"}},"node_name":"a"}},"node_name":"a","time":"{time}"}}"#,
        number % 7
    )
}

fn lines(hour: u64, numbers: std::ops::Range<u64>) -> Vec<String> {
    numbers.map(|number| line(hour, number)).collect()
}

fn content(lines: &[String]) -> Content {
    let mut hasher = ContentHasher::default();
    lines.iter().for_each(|line| hasher.update(format!("{line}\n").as_bytes()));
    hasher.finish()
}

fn add(writer: &mut ArchiveWriter, lines: &[String]) -> Result<(), ArchiveError> {
    let mut decoder = Decoder::new(Projection::all());
    lines.iter().for_each(|line| decoder.line(line.as_bytes()).unwrap());
    writer.begin_input("a.log");
    writer.add(&decoder.finish().unwrap())?;
    let origin = Origin { name: "a.log".to_owned(), lines: lines.len() as u64, ..Origin::default() };
    writer.end_input(ImportedInput { origins: vec![origin], content: Some(content(lines)) })
}

fn import(root: &Path, lines: &[String]) -> Result<(), ArchiveError> {
    let mut writer = ArchiveWriter::open(root)?;
    add(&mut writer, lines)?;
    writer.commit()
}

fn archive(root: &Path) -> Archive {
    Archive::look(root).unwrap().unwrap()
}

fn export(archive: &Archive) -> Vec<String> {
    let mut out = Vec::new();
    write_lines(archive, None, &mut out, |_| ()).unwrap();
    String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
}

/// All that is stored below a place, whether it counts or not.
fn stored(root: &Path, folder: &str) -> Vec<String> {
    let folder = Folder { path: root.join(folder), deep: true };
    let mut names: Vec<String> =
        store().unwrap().list(&[folder]).unwrap().remove(0).into_iter().map(|e| e.name).collect();
    names.sort_unstable();
    names
}

#[test]
fn what_goes_in_comes_out_and_is_known() {
    let root = root("plain");
    assert!(Archive::look(&root).unwrap().is_none());
    assert!(matches!(find(&[root.to_str().unwrap()]), Err(InputError::NoArchive(_))));
    let (a, b) = (lines(9, 0..50), lines(11, 50..90));
    import(&root, &a).unwrap();
    import(&root, &b).unwrap();
    let archive = archive(&root);
    assert!(export(&archive) == [a.clone(), b].concat());
    assert_eq!(archive.hours().unwrap().len(), 2);
    assert_eq!(find(&[format!("{}//", root.display())]).unwrap().inputs, [Input::Archive(archive)]);
    let writer = ArchiveWriter::open(&root).unwrap();
    assert_eq!(writer.known(&content(&a).head_sha256), [content(&a)]);
    assert_eq!(stored(&root, "imports"), ["00000001.json", "00000002.json"]);
    assert_eq!(stored(&root, "importing"), ["probe"], "claims are put away");
    assert_eq!(Journal::new(&root).files().unwrap().len(), 2);
}

#[test]
fn an_archive_is_seen_as_it_was_when_it_was_first_looked_at() {
    let root = root("seen");
    import(&root, &lines(9, 0..10)).unwrap();
    let before = archive(&root);
    assert_eq!(before.hours().unwrap().len(), 1);
    import(&root, &lines(9, 10..20)).unwrap();
    assert_eq!(export(&before).len(), 10);
    assert_eq!(export(&archive(&root)).len(), 20);
}

#[test]
fn an_import_that_fails_leaves_nothing_that_counts() {
    // There is no room: all is taken back.
    let full = root("full");
    let error = import(&full, &lines(9, 0..10)).unwrap_err().to_string();
    assert!(error.contains("s3://test/full/flows/date=2026-03-01/hour=09/a-") && error.contains("no room"), "{error}");
    assert!(stored(&full, "flows").is_empty() && stored(&full, "importing") == ["probe"]);
    // Whether the record is there cannot be found out: nothing is deleted that may count, and nothing counts that may not.
    let lost = root("lost");
    assert!(import(&lost, &lines(9, 0..10)).is_err());
    assert_eq!((stored(&lost, "flows").len(), stored(&lost, "importing").len()), (1, 2));
    assert!(Archive::new(lost.clone()).hours().unwrap().is_empty(), "an hour of nothing that counts is none");
    assert!(Archive::new(lost).all_files().unwrap().is_empty());
}

#[test]
fn a_record_whose_making_was_not_heard_of_is_found() {
    let root = root("unheard");
    import(&root, &lines(9, 0..10)).unwrap();
    import(&root, &lines(9, 10..20)).unwrap();
    assert_eq!((export(&archive(&root)).len(), stored(&root, "imports").len()), (20, 2));
}

#[test]
fn a_claim_that_was_not_put_away_hides_nothing_that_is_committed() {
    let root = root("kept");
    import(&root, &lines(9, 0..10)).unwrap();
    import(&root, &lines(10, 10..20)).unwrap();
    assert_eq!(
        stored(&root, "importing").iter().filter(|name| *name != "probe" && !name.starts_with("clock")).count(),
        2
    );
    assert_eq!(export(&archive(&root)).len(), 20);
}

#[test]
fn what_was_left_behind_two_days_ago_is_cleared_away() {
    let root = root("abandoned");
    import(&root, &lines(9, 0..10)).unwrap();
    let Ok([file]) = <[String; 1]>::try_from(stored(&root, "flows")) else { panic!("one file") };
    let left = file.replace("-00000001.", "-00000002.").replace(&file[file.len() - 24..], "0123456789abcdef.parquet");
    let store = store().unwrap();
    store.create(&root.join("flows").join(&left), vec![0; 10]).unwrap();
    let claim = |files: &[&str]| {
        let files: Vec<String> = files
            .iter()
            .map(|path| format!(r#"{{"path":"flows/{path}","staged":"","sequence":2,"rows":1,"bytes":1,"sha256":""}}"#))
            .collect();
        format!(r#"{{"producer":"","at":"","inputs":[],"files":[{}]}}"#, files.join(",")).into_bytes()
    };
    // A claim is believed about files with its own word in their names, and about none else.
    store.create(&root.join("importing/00000002-0123456789abcdef.json"), claim(&[&left, &file])).unwrap();
    assert_eq!(export(&archive(&root)).len(), 10);
    import(&root, &lines(9, 10..20)).unwrap();
    assert_eq!(export(&archive(&root)).len(), 20);
    assert!(!stored(&root, "flows").contains(&left));
    assert_eq!(stored(&root, "importing"), ["probe"]);
}

#[test]
fn two_at_once_do_not_undo_each_other() {
    let root = root("two");
    let [mut a, mut b] = [0, 1].map(|_| ArchiveWriter::open(&root).unwrap());
    add(&mut a, &lines(9, 0..10)).unwrap();
    add(&mut b, &lines(9, 10..20)).unwrap();
    a.commit().unwrap();
    b.commit().unwrap();
    assert!(export(&archive(&root)) == lines(9, 0..20));
    // The one who was later has heard of the other's.
    assert_eq!(b.known(&content(&lines(9, 0..10)).head_sha256).len(), 1);
    assert_eq!(stored(&root, "imports").len(), 2);
}

#[test]
fn of_two_who_import_the_same_log_one_does() {
    let root = root("same");
    let same = lines(9, 0..10);
    let [mut a, mut b] = [0, 1].map(|_| ArchiveWriter::open(&root).unwrap());
    add(&mut a, &same).unwrap();
    add(&mut b, &same).unwrap();
    a.commit().unwrap();
    let error = b.commit().unwrap_err();
    assert!(matches!(&error, ArchiveError::Overtaken { log, .. } if log == "a.log"), "{error}");
    assert!(export(&archive(&root)) == same);
    assert_eq!(stored(&root, "flows").len(), 1, "the files of the other are gone");
}

#[test]
fn who_cannot_be_kept_from_writing_over_is_not_written_to() {
    let error = ArchiveWriter::open(&root("unconditional")).unwrap_err();
    assert!(matches!(error, ArchiveError::Unconditional(_)), "{error}");
}

#[test]
fn a_place_that_holds_something_else_is_left_alone() {
    let root = root("foreign");
    store().unwrap().create(&root.join("letters/a.txt"), b"a".to_vec()).unwrap();
    assert!(matches!(ArchiveWriter::open(&root), Err(ArchiveError::Foreign(_))));
    assert_eq!(stored(&root, ""), ["letters/a.txt"]);
}

#[test]
fn nothing_is_merged_or_expires_there() {
    let root = root("upkeep");
    import(&root, &lines(9, 0..10)).unwrap();
    let archive = archive(&root);
    assert!(matches!(compact::compact(&archive, 1 << 20, |_| ()), Err(ArchiveError::OnlyHere { .. })));
    assert!(matches!(expire::expire(&archive, expire::Retention::default()), Err(ArchiveError::OnlyHere { .. })));
}

#[test]
fn files_as_they_stand_in_a_folder_count_as_they_are() {
    let (here, there) = (tempfile::tempdir().unwrap(), root("copied"));
    import(here.path(), &lines(9, 0..10)).unwrap();
    let files = Archive::at(here.path()).unwrap().all_files().unwrap();
    for file in &files {
        store().unwrap().put(file, &there.join(file.strip_prefix(here.path()).unwrap())).unwrap();
    }
    assert!(export(&archive(&there)) == lines(9, 0..10));
}

#[test]
fn of_a_file_only_what_is_wanted_is_fetched_and_it_is_the_same() {
    let (here, there) = (tempfile::tempdir().unwrap(), root("columns"));
    let many = lines(9, 0..40_000);
    import(here.path(), &many).unwrap();
    import(&there, &many).unwrap();
    let [here, there] =
        [Archive::at(here.path()).unwrap(), archive(&there)].map(|archive| archive.all_files().unwrap());
    assert_eq!((here.len(), there.len()), (1, 1));
    let pod =
        |text: &str| vec![vec![(lookback_flow::columns::ColumnId::known("source_pod"), Pattern::Is(text.to_owned()))]];
    for (needles, rows) in [(Vec::<Needle>::new(), 40_000), (vec![pod("pod-3")], 5_714), (vec![pod("nobody")], 0)] {
        let read = |path: &Path| -> Vec<_> {
            let wanted = Wanted { needles: needles.clone(), exactly: true, ..Wanted::default() };
            let columns = Projection::of(["time", "verdict", "source_pod"]);
            let batches = SegmentFile::open(path).unwrap().read(&columns, &wanted, None).unwrap();
            batches.map(Result::unwrap).collect()
        };
        let before = MOODY.fetched.load(Ordering::Relaxed);
        let (a, b) = (read(&here[0]), read(&there[0]));
        assert!(a == b);
        assert_eq!(b.iter().map(arrow::array::RecordBatch::num_rows).sum::<usize>(), rows);
        let fetched = MOODY.fetched.load(Ordering::Relaxed) - before;
        let size = there[0].to_str().map(|_| lookback_flow::store::size(&there[0]).unwrap()).unwrap();
        assert!(fetched < size / 2, "{fetched} of {size} bytes");
    }
}

#[test]
fn a_file_that_cannot_be_reached_is_told_from_one_that_is_broken() {
    let root = root("gone");
    import(&root, &lines(9, 0..10)).unwrap();
    let path = archive(&root).all_files().unwrap().remove(0);
    let file = SegmentFile::open(&path).unwrap();
    let mut read = file.read(&Projection::all(), &Wanted::default(), None).unwrap();
    assert!(matches!(read.next(), Some(Err(SegmentError::Away(_)))));
    let broken = root.join("flows/date=2026-03-01/hour=09/broken.parquet");
    store().unwrap().create(&broken, b"no Parquet, but long enough for a footer".to_vec()).unwrap();
    assert!(!matches!(SegmentFile::open(&broken), Err(SegmentError::Away(_)) | Ok(_)));
    let missing = SegmentFile::open(&root.join("flows/date=2026-03-01/hour=09/missing.parquet"));
    assert!(matches!(missing, Err(SegmentError::Io(error)) if error.kind() == ErrorKind::NotFound));
}
