//! Walks a protobuf file without reading what it skips.
//!
//! A device with little memory must not hold a whole model to find a part of it, so nothing is decoded
//! here but keys and lengths. The file is read with positioned reads rather than mapped: touched pages
//! of a mapping count as the process's own memory.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::ModelError;

/// Where the bytes of a model are.
#[derive(Debug)]
enum Kind {
    File(File),
    Memory(Vec<u8>),
}

/// The bytes of a model, in a file or in memory.
#[derive(Debug)]
pub struct Source {
    /// What errors call it.
    pub file: String,
    kind: Kind,
    length: u64,
}

impl Source {
    /// A file.
    pub fn open(path: &Path) -> Result<Source, ModelError> {
        let name = path.display().to_string();
        let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
        match opened {
            Ok((length, file)) => Ok(Source { file: name, kind: Kind::File(file), length }),
            Err(source) => Err(ModelError::Read { file: name, source }),
        }
    }

    /// Bytes in memory.
    pub fn memory(bytes: Vec<u8>) -> Source {
        Source { file: "the segment".to_owned(), length: bytes.len() as u64, kind: Kind::Memory(bytes) }
    }

    /// All of it.
    pub fn whole(&self) -> Range<u64> {
        0..self.length
    }

    /// A copy of the bytes in `range`.
    pub fn read(&self, range: &Range<u64>) -> Result<Vec<u8>, ModelError> {
        if range.end > self.length || range.start > range.end {
            return Err(self.truncated(range.end));
        }
        match &self.kind {
            Kind::Memory(bytes) => Ok(bytes[range.start as usize..range.end as usize].to_vec()),
            Kind::File(file) => {
                let mut bytes = vec![0; (range.end - range.start) as usize];
                file.read_exact_at(&mut bytes, range.start)
                    .map_err(|source| ModelError::Read { file: self.file.clone(), source })?;
                Ok(bytes)
            }
        }
    }

    /// Refuses what is often taken for a model and is none.
    pub fn check_kind(&self) -> Result<(), ModelError> {
        const LFS: &[u8] = b"version https://git-lfs";
        let start = self.read(&(0..self.length.min(LFS.len() as u64)))?;
        match start.as_slice() {
            [] => Err(self.malformed("it is empty")),
            LFS => Err(self.malformed("it is a pointer of Git LFS; `git lfs pull` fetches the model itself")),
            [b'P', b'K', 3, 4, ..] => Err(self.malformed("it is a ZIP archive, as PyTorch and Keras write them")),
            _ => Ok(()),
        }
    }

    /// The text in `range`.
    pub fn text(&self, range: &Range<u64>) -> Result<String, ModelError> {
        String::from_utf8(self.read(range)?).map_err(|_| self.malformed("a name in it is not text"))
    }

    /// The fields of the message in `range`.
    pub fn fields(&self, range: Range<u64>) -> Fields<'_> {
        Fields { source: self, at: range.start, end: range.end, window: Vec::new(), window_at: 0 }
    }

    /// An error that says that something runs up to `needed`.
    pub fn truncated(&self, needed: u64) -> ModelError {
        ModelError::Truncated { file: self.file.clone(), length: self.length, needed }
    }

    /// An error that says that this is no ONNX file.
    pub fn malformed(&self, found: &'static str) -> ModelError {
        ModelError::NotOnnx { file: self.file.clone(), found }
    }
}

/// What a field holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A number.
    Number(u64),
    /// Text, bytes, a message or packed numbers: where they are.
    Bytes(Range<u64>),
    /// Four or eight bytes that nobody asks for.
    Fixed,
}

/// One field of a message.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its number.
    pub number: u32,
    /// What it holds.
    pub content: Content,
    /// Where the whole field is, key and length included.
    pub range: Range<u64>,
}

/// Reads the fields of one message in turn.
pub struct Fields<'a> {
    source: &'a Source,
    at: u64,
    end: u64,
    window: Vec<u8>,
    window_at: u64,
}

impl Fields<'_> {
    const WINDOW: u64 = 256;

    /// The next field; `None` at the end of the message.
    pub fn next(&mut self) -> Result<Option<Field>, ModelError> {
        if self.at >= self.end {
            return Ok(None);
        }
        let start = self.at;
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).map_err(|_| self.source.malformed("its structure is not protobuf's"))?;
        if number == 0 {
            return Err(self.source.malformed("its structure is not protobuf's"));
        }
        let content = match key & 7 {
            0 => Content::Number(self.varint()?),
            1 => self.skip(8).map(|_| Content::Fixed)?,
            2 => {
                let length = self.varint()?;
                Content::Bytes(self.skip(length)?)
            }
            5 => self.skip(4).map(|_| Content::Fixed)?,
            _ => return Err(self.source.malformed("its structure is not protobuf's")),
        };
        Ok(Some(Field { number, content, range: start..self.at }))
    }

    fn skip(&mut self, length: u64) -> Result<Range<u64>, ModelError> {
        let end = self.at.saturating_add(length);
        if end > self.source.length {
            return Err(self.source.truncated(end));
        }
        if end > self.end {
            return Err(self.source.malformed("its parts do not add up"));
        }
        let range = self.at..end;
        self.at = end;
        Ok(range)
    }

    fn varint(&mut self) -> Result<u64, ModelError> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.source.malformed("its structure is not protobuf's"))
    }

    fn byte(&mut self) -> Result<u8, ModelError> {
        if self.at >= self.end {
            let whole = self.end >= self.source.length;
            return Err(if whole {
                self.source.truncated(self.end + 1)
            } else {
                self.source.malformed("its parts do not add up")
            });
        }
        let inside = self.at >= self.window_at && self.at < self.window_at + self.window.len() as u64;
        if !inside {
            self.window = self.source.read(&(self.at..self.end.min(self.at + Fields::WINDOW)))?;
            self.window_at = self.at;
        }
        let byte = self.window[(self.at - self.window_at) as usize];
        self.at += 1;
        Ok(byte)
    }
}
