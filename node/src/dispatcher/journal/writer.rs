//! The journal's files as they are written: appended to, begun anew, deleted when everything in them is settled.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::record::Record;
use super::recovery::Recovered;
use super::segment::{self, HEAD, Head, Standing};

/// A segment this long is followed by the next.
pub const ROTATE: u64 = 8 << 20;
/// Of more segments than these, the oldest one's unsettled records are written again, and it is deleted.
pub const MOST: usize = 4;
/// Bytes that are gathered for one call into the kernel; a larger payload goes there directly.
const BUFFER: usize = 64 << 10;

/// The open journal.
#[derive(Debug)]
pub struct Writer {
    folder: PathBuf,
    rotate: u64,
    standing: Standing,
    /// The oldest first; the last is being written.
    segments: VecDeque<Segment>,
    file: BufWriter<File>,
    length: u64,
    /// Whether something was written since the last sync.
    dirty: bool,
}

#[derive(Debug)]
struct Segment {
    number: u64,
    path: PathBuf,
    /// Requests whose newest record but `Settled` is in here.
    live: BTreeSet<u64>,
}

impl Writer {
    /// A journal that begins with a fresh segment, which holds `known`. It is on the disk when this returns, and
    /// then everything older is deleted.
    ///
    /// # Errors
    /// When the folder or the file can't be written.
    pub fn begin(folder: &Path, known: &Recovered, rotate: u64) -> io::Result<Writer> {
        fs::create_dir_all(folder)?;
        let older = segment::list(folder)?;
        let number = older.last().map_or(0, |(number, _)| *number).max(known.newest) + 1;
        let path = segment::path(folder, number);
        let unfinished = path.with_extension("new");
        let head = Head { number, fresh: true, standing: known.standing };
        let file = open(&unfinished, &head)?;
        let segment = Segment { number, path: path.clone(), live: BTreeSet::new() };
        let mut writer = Writer {
            folder: folder.to_owned(),
            rotate,
            standing: known.standing,
            segments: VecDeque::from([segment]),
            file,
            length: HEAD as u64,
            dirty: true,
        };
        for record in known.records() {
            writer.write(&record)?;
        }
        writer.sync()?;
        fs::rename(&unfinished, &path)?;
        sync_folder(folder)?;
        for (_, path) in older {
            fs::remove_file(path)?;
        }
        Ok(writer)
    }

    /// Appends records. If any is a promise, all are on the disk when this returns.
    ///
    /// # Errors
    /// When the disk is full or fails: then nothing more may be written with this writer.
    pub fn append<'a>(&mut self, records: impl IntoIterator<Item = &'a Record>) -> io::Result<()> {
        let mut promised = false;
        for record in records {
            if self.length >= self.rotate {
                self.rotate()?;
            }
            self.write(record)?;
            promised |= record.is_a_promise();
        }
        if promised {
            self.sync()?
        } else {
            self.file.flush()?
        }
        self.clean()
    }

    fn write(&mut self, record: &Record) -> io::Result<()> {
        let Some(current) = self.segments.back_mut() else { return Ok(()) };
        let (head, payload) = record.encode(current.number, self.length);
        self.file.write_all(&head)?;
        self.file.write_all(&payload)?;
        self.length += (head.len() + payload.len()) as u64;
        self.dirty = true;
        match record {
            Record::Epoch(epoch) => self.standing.epoch = self.standing.epoch.max(*epoch),
            Record::Accepted { ticket, .. } | Record::Answered { ticket, .. } => {
                self.segments.iter_mut().for_each(|segment| _ = segment.live.remove(ticket));
                if let Some(current) = self.segments.back_mut() {
                    current.live.insert(*ticket);
                }
            }
            Record::Settled { ticket } => self.segments.iter_mut().for_each(|segment| _ = segment.live.remove(ticket)),
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.flush()?;
        if std::mem::replace(&mut self.dirty, false) {
            self.file.get_ref().sync_data()?;
        }
        Ok(())
    }

    /// Goes on in the next segment.
    fn rotate(&mut self) -> io::Result<()> {
        self.sync()?;
        let number = self.segments.back().map_or(0, |segment| segment.number) + 1;
        let path = segment::path(&self.folder, number);
        self.file = open(&path, &Head { number, fresh: false, standing: self.standing })?;
        self.length = HEAD as u64;
        self.dirty = true;
        sync_folder(&self.folder)?;
        self.segments.push_back(Segment { number, path, live: BTreeSet::new() });
        Ok(())
    }

    /// Deletes segments from the oldest on: that what settles a record never goes before the record. If the oldest
    /// holds everything up although there are many, what holds it is written again.
    fn clean(&mut self) -> io::Result<()> {
        while let (true, Some(oldest)) = (self.segments.len() > 1, self.segments.front()) {
            if !oldest.live.is_empty() {
                if self.segments.len() <= MOST {
                    break;
                }
                let live = oldest.live.clone();
                let bytes = segment::load(&oldest.path)?;
                let mut newest = BTreeMap::new();
                for record in segment::read(&bytes, oldest.number).records {
                    if let Record::Accepted { ticket, .. } | Record::Answered { ticket, .. } = &record
                        && live.contains(ticket)
                    {
                        newest.insert(*ticket, record);
                    }
                }
                for record in newest.values() {
                    self.write(record)?;
                }
            }
            // What replaced its records must not be lost with this process.
            self.sync()?;
            let Some(oldest) = self.segments.pop_front() else { break };
            fs::remove_file(&oldest.path)?;
        }
        Ok(())
    }
}

/// A new file with this head; one that is in its place is overwritten.
fn open(path: &Path, head: &Head) -> io::Result<BufWriter<File>> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
    let mut file = BufWriter::with_capacity(BUFFER, file);
    file.write_all(&head.encode())?;
    Ok(file)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use rand_core::{Rng, SeedableRng};
    use rand_pcg::Pcg64;

    use super::super::recovery::recover;
    use super::*;
    use crate::dispatcher::core::ledger::Answer;

    fn size(folder: &Path) -> u64 {
        segment::list(folder).unwrap().iter().map(|(_, path)| fs::metadata(path).unwrap().len()).sum()
    }

    fn accepted(ticket: u64, size: usize) -> Record {
        Record::Accepted { ticket, payload: vec![ticket as u8; size].into() }
    }

    fn answered(ticket: u64) -> Record {
        Record::Answered { ticket, answer: Answer::Result { epoch: 1, payload: Bytes::from_static(b"out") } }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Write(Vec<Record>),
        Reopen,
        Begin,
    }

    fn steps() -> impl Strategy<Value = Step> {
        let record = prop_oneof![
            (0..12u64, 0..200usize).prop_map(|(ticket, size)| accepted(ticket, size)),
            (0..12u64).prop_map(answered),
            (0..12u64).prop_map(|ticket| Record::Settled { ticket }),
            (1..9u32).prop_map(Record::Epoch),
        ];
        prop_oneof![
            8 => prop::collection::vec(record, 1..6).prop_map(Step::Write),
            1 => Just(Step::Reopen),
            1 => Just(Step::Begin),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(30))]
        #[test]
        fn what_was_written_is_read_back_however_segments_come_and_go(steps in prop::collection::vec(steps(), 1..40)) {
            let folder = tempfile::tempdir().unwrap();
            let mut known = Recovered::default();
            let mut writer = Writer::begin(folder.path(), &known, 400).unwrap();
            for step in steps {
                match step {
                    Step::Write(records) => {
                        writer.append(&records).unwrap();
                        records.into_iter().for_each(|record| known.take(record));
                    }
                    Step::Reopen => writer = Writer::begin(folder.path(), &recover(folder.path()).unwrap(), 400).unwrap(),
                    Step::Begin => writer = Writer::begin(folder.path(), &known, 400).unwrap(),
                }
                let read = recover(folder.path()).unwrap();
                prop_assert!(read.damage.is_empty() && read.torn == 0, "{:?}", read.damage);
                prop_assert_eq!((&read.open, &read.answered), (&known.open, &known.answered));
                prop_assert_eq!(read.standing.epoch, known.standing.epoch);
            }
            prop_assert!(segment::list(folder.path()).unwrap().len() <= MOST + 1);
        }
    }

    #[test]
    fn a_journal_stays_bounded_though_one_request_is_never_answered() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::begin(folder.path(), &Recovered::default(), 10_000).unwrap();
        writer.append(&[accepted(0, 500)]).unwrap();
        for ticket in 1..400 {
            writer.append(&[accepted(ticket, 500), answered(ticket), Record::Settled { ticket }]).unwrap();
            assert!(size(folder.path()) < (MOST as u64 + 1) * 12_000);
        }
        let read = recover(folder.path()).unwrap();
        assert_eq!(read.open.keys().collect::<Vec<_>>(), [&0]);
        assert!(read.answered.is_empty());
    }

    #[test]
    fn a_full_disk_is_an_error_and_what_was_promised_before_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::begin(folder.path(), &Recovered::default(), 200).unwrap();
        writer.append(&[accepted(1, 300)]).unwrap();
        // The next segment can't be made: its name is taken by a folder.
        fs::create_dir(segment::path(folder.path(), 2)).unwrap();
        assert!(writer.append(&[accepted(2, 10)]).is_err());
        fs::remove_dir(segment::path(folder.path(), 2)).unwrap();
        let read = recover(folder.path()).unwrap();
        assert_eq!(read.open.keys().collect::<Vec<_>>(), [&1]);
    }

    /// A journal as a dispatcher writes it, and after each batch what was promised by then and how long the files were.
    fn story(folder: &Path) -> Vec<(u64, u64, Recovered)> {
        let mut known = Recovered::default();
        let mut writer = Writer::begin(folder, &known, 3000).unwrap();
        let mut promised = Vec::new();
        for ticket in 0..80 {
            let mut batch = vec![accepted(ticket, 10 + (ticket as usize * 37) % 300)];
            if ticket % 9 == 0 {
                batch.push(Record::Epoch(ticket as u32 / 9 + 1));
            }
            if ticket > 4 && ticket % 3 > 0 {
                batch.push(answered(ticket - 4));
            }
            if ticket > 40 {
                batch.push(Record::Settled { ticket: ticket - 30 });
            }
            writer.append(&batch).unwrap();
            batch.into_iter().for_each(|record| known.take(record));
            let current = writer.segments.back().unwrap().number;
            promised.push((current, writer.length, known.clone()));
        }
        promised
    }

    fn copy(from: &Path, to: &Path) {
        for (_, path) in segment::list(to).unwrap() {
            fs::remove_file(path).unwrap();
        }
        for (_, path) in segment::list(from).unwrap() {
            fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }

    #[test]
    fn killed_at_two_hundred_bytes_of_the_log_everything_promised_survives() {
        let (folder, copied) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let promised = story(folder.path());
        let newest = segment::list(folder.path()).unwrap().pop().unwrap();
        let length = fs::metadata(&newest.1).unwrap().len();
        let mut random = Pcg64::seed_from_u64(4);
        for _ in 0..200 {
            let at = random.next_u64() % (length + 1);
            copy(folder.path(), copied.path());
            let last = segment::path(copied.path(), newest.0);
            OpenOptions::new().write(true).open(&last).unwrap().set_len(at).unwrap();
            let read = recover(copied.path()).unwrap();
            assert_eq!(read.damage, [""; 0], "a torn tail is no damage");
            // Whoever was told of a promise was told it when the files were no longer than this.
            let told = promised.iter().rev().find(|(segment, end, _)| (*segment, *end) <= (newest.0, at));
            let told = &told.expect("the segments before it").2;
            for (ticket, payload) in &told.open {
                // It may have been answered or settled since.
                let there = read.open.get(ticket) == Some(payload) || read.answered.contains_key(ticket);
                assert!(there || *ticket < 50, "{ticket} at {at}");
            }
            for ticket in told.answered.keys() {
                // Or settled since.
                assert!(read.answered.contains_key(ticket) || *ticket < 50, "the answer to {ticket} at {at}");
            }
            assert!(read.standing.epoch >= told.standing.epoch);
            // What was read can be gone on with.
            let mut writer = Writer::begin(copied.path(), &read, 3000).unwrap();
            writer.append(&[accepted(1000, 20)]).unwrap();
            let again = recover(copied.path()).unwrap();
            assert!(again.open.contains_key(&1000) && again.open.len() == read.open.len() + 1);
        }
    }

    #[test]
    fn damaged_at_two_hundred_bytes_of_the_log_all_other_records_survive_and_it_is_told() {
        let (folder, copied) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (_, _, known) = story(folder.path()).pop().unwrap();
        let segments = segment::list(folder.path()).unwrap();
        let mut random = Pcg64::seed_from_u64(5);
        for _ in 0..200 {
            let number = segments[random.next_u64() as usize % segments.len()].0;
            copy(folder.path(), copied.path());
            let path = segment::path(copied.path(), number);
            let mut bytes = fs::read(&path).unwrap();
            let at = random.next_u64() as usize % bytes.len();
            bytes[at] ^= 1 << (random.next_u64() % 8);
            fs::write(&path, &bytes).unwrap();
            let read = recover(copied.path()).unwrap();
            assert!(!read.damage.is_empty() || read.torn > 0, "bit {at} of {number}");
            // One record is gone: one request at most is not known, or known though it is settled or answered.
            let tickets =
                |known: &Recovered| known.open.keys().chain(known.answered.keys()).copied().collect::<BTreeSet<_>>();
            assert!(tickets(&read).symmetric_difference(&tickets(&known)).count() <= 1, "bit {at} of {number}");
            assert!(read.standing.epoch + 1 >= known.standing.epoch);
        }
    }
}
