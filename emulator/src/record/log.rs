//! The event log as a file: one JSON object per line, appended and never changed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::event::Entry;

/// Version of the log's form, in its first entry.
pub const LOG_VERSION: u32 = 1;

/// How old an entry may grow before it is on disk, given that [`LogWriter::append`] or
/// [`LogWriter::flush`] is called at least so often.
pub const FLUSH_EVERY: Duration = Duration::from_millis(100);

/// So much is held back at most, however fast entries come.
const BUFFER: usize = 256 << 10;

/// Why a log can't be written or read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file can't be made or opened.
    #[error("can't open the event log {path}: {source}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Entries can't be written. What was written so far stays, and so does what waits: a later flush may succeed.
    #[error("can't write to the event log {path}: {source} ({waiting} bytes wait; what was recorded before is kept)")]
    Write {
        /// The file.
        path: PathBuf,
        /// How much could not be written.
        waiting: usize,
        /// Why.
        source: io::Error,
    },
    /// An entry can't be put into JSON.
    #[error("an event can't be written as JSON: {0}")]
    Encode(serde_json::Error),
    /// The file can't be read.
    #[error("can't read the event log: {0}")]
    Read(io::Error),
    /// A line in the middle is no entry.
    #[error("line {line} of the event log is no event this version knows: {source}")]
    Line {
        /// Its number, from one.
        line: usize,
        /// Why.
        source: serde_json::Error,
    },
    /// An entry is of a time at which this run can't have lasted.
    #[error("line {line} of the event log is of an instant {} days away from the first line's", away.as_secs() / 86_400)]
    Instant {
        /// Its number, from one.
        line: usize,
        /// How far it is from the first.
        away: Duration,
    },
}

/// Appends entries to a log. What waits is written on drop.
#[derive(Debug)]
pub struct LogWriter {
    path: PathBuf,
    file: File,
    waiting: Vec<u8>,
    flushed: Instant,
}

impl LogWriter {
    /// Makes the file, which must not exist yet.
    ///
    /// # Errors
    /// [`LogError::Open`].
    pub fn create(path: &Path) -> Result<LogWriter, LogError> {
        let open = File::options().append(true).create_new(true).open(path);
        let file = open.map_err(|source| LogError::Open { path: path.to_owned(), source })?;
        Ok(LogWriter { path: path.to_owned(), file, waiting: Vec::new(), flushed: Instant::now() })
    }

    /// Appends an entry, and writes what waits if [`FLUSH_EVERY`] has passed or much waits.
    ///
    /// # Errors
    /// [`LogError::Write`] when the disk is full, say. The entry is not lost by that: it waits.
    pub fn append(&mut self, entry: &Entry) -> Result<(), LogError> {
        let whole = self.waiting.len();
        if let Err(error) = serde_json::to_writer(&mut self.waiting, entry) {
            // No half an entry before the next.
            self.waiting.truncate(whole);
            return Err(LogError::Encode(error));
        }
        self.waiting.push(b'\n');
        if self.waiting.len() >= BUFFER || self.flushed.elapsed() >= FLUSH_EVERY {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// [`LogError::Write`]; what could not be written goes on waiting.
    pub fn flush(&mut self) -> Result<(), LogError> {
        self.flushed = Instant::now();
        let mut written = 0;
        let result = loop {
            match self.file.write(&self.waiting[written..]) {
                Ok(0) if written == self.waiting.len() => break Ok(()),
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        self.waiting.drain(..written);
        let waiting = self.waiting.len();
        result.map_err(|source| LogError::Write { path: self.path.clone(), waiting, source })
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        // Nobody is left to be told; a caller who wants to know flushes first.
        let _ = self.flush();
    }
}

/// Reads the entries of a log. A last line without an end is what a killed run leaves, and is left out.
#[derive(Debug)]
pub struct LogReader<R> {
    lines: R,
    line: usize,
    torn: bool,
    buffer: Vec<u8>,
    first: Option<node::clock::Instant>,
    span: Duration,
}

impl LogReader<BufReader<File>> {
    /// Opens a log.
    ///
    /// # Errors
    /// [`LogError::Open`].
    pub fn open(path: &Path) -> Result<LogReader<BufReader<File>>, LogError> {
        let file = File::open(path).map_err(|source| LogError::Open { path: path.to_owned(), source })?;
        Ok(LogReader::new(BufReader::with_capacity(BUFFER, file)))
    }
}

impl<R: BufRead> LogReader<R> {
    /// Reads a log from whatever holds it.
    pub fn new(lines: R) -> LogReader<R> {
        LogReader { lines, line: 0, torn: false, buffer: Vec::new(), first: None, span: Duration::MAX }
    }

    fn check(&mut self, entry: Entry) -> Result<Entry, LogError> {
        let first = *self.first.get_or_insert(entry.at());
        let away = entry.at().since(first).max(first.since(entry.at()));
        if away <= self.span { Ok(entry) } else { Err(LogError::Instant { line: self.line, away }) }
    }

    /// Takes no entry that is further than `span` from the first.
    pub fn spanning(self, span: Duration) -> LogReader<R> {
        LogReader { span, ..self }
    }

    /// Whether the last line was torn; known once the entries are read.
    pub fn torn(&self) -> bool {
        self.torn
    }
}

impl<R: BufRead> Iterator for LogReader<R> {
    type Item = Result<Entry, LogError>;

    fn next(&mut self) -> Option<Result<Entry, LogError>> {
        self.buffer.clear();
        self.line += 1;
        match self.lines.read_until(b'\n', &mut self.buffer) {
            Ok(0) => None,
            Ok(_) if self.buffer.last() != Some(&b'\n') => {
                self.torn = true;
                None
            }
            Ok(_) => {
                let entry = serde_json::from_slice(&self.buffer);
                let entry = entry.map_err(|source| LogError::Line { line: self.line, source });
                Some(entry.and_then(|entry: Entry| self.check(entry)))
            }
            Err(error) => Some(Err(LogError::Read(error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn every_kind_of_entry_reads_back_as_itself_and_a_torn_end_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let entries = fixture::crashes().entries;
        let mut writer = LogWriter::create(&path).unwrap();
        for entry in &entries {
            writer.append(entry).unwrap();
        }
        drop(writer);
        let mut reader = LogReader::open(&path).unwrap();
        let read: Vec<Entry> = reader.by_ref().map(Result::unwrap).collect();
        assert_eq!(read, entries);
        assert!(!reader.torn());

        let text = std::fs::read(&path).unwrap();
        let mut torn = LogReader::new(&text[..text.len() - 9]);
        assert_eq!(torn.by_ref().filter_map(Result::ok).count(), entries.len() - 1);
        assert!(torn.torn());
        let mut broken = LogReader::new(&b"{\"at\":1}\n"[..]);
        assert!(matches!(broken.next(), Some(Err(LogError::Line { line: 1, .. }))));
    }

    #[test]
    fn a_full_disk_is_told_and_what_waits_is_kept() {
        let mut writer = LogWriter {
            path: "/dev/full".into(),
            file: File::options().write(true).open("/dev/full").unwrap(),
            waiting: Vec::new(),
            flushed: Instant::now(),
        };
        let entries = fixture::crashes().entries;
        for entry in &entries[..3] {
            writer.append(entry).unwrap();
        }
        let error = writer.flush().unwrap_err();
        assert!(error.to_string().contains("No space left on device"), "{error}");
        // Space again: nothing is missing.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        writer.file = File::create(&path).unwrap();
        drop(writer);
        let read: Vec<Entry> = LogReader::open(&path).unwrap().map(Result::unwrap).collect();
        assert_eq!(read, entries[..3]);
    }
}
