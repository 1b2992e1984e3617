//! Feeds everything that reads what others have written (peers, files, records) with bytes that nobody meant, and sees
//! that it answers with a value or an error: no panic, no hang, no more memory than is stated.
//!
//! A [`Target`] is one such reader, behind its public door. The [`hunt`] takes inputs from its seeds, [changes](mutate)
//! them, and gives each to the target, while [`memory`] counts what is allocated. In a build for which `cargo xtask fuzz`
//! has asked, the compiler counts which edges of the code are taken ([`coverage`]), and an input that takes a new one
//! is changed further. Checksums would stop nearly every changed input at the door; where a format has them, the target
//! [mends](Target::mend) them, so that what lies behind is reached.
//!
//! `cargo test` gives each target a second; `cargo xtask fuzz TARGET --minutes 10` gives it ten minutes. What once was
//! found lies in `corpus/TARGET/` and is tried first each time. docs/testing.md tells how to go on from a finding.

pub mod coverage;
pub mod hunt;
pub mod lots;
pub mod memory;
pub mod mutate;
pub mod targets;

use lots::Lots;

/// How much memory a target may take at once, at most: so much for each byte of its input, and so much whatever that is.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// Times the input's length.
    pub times: usize,
    /// Bytes besides.
    pub bytes: usize,
}

impl Limit {
    /// For an input of this length.
    pub fn of(self, length: usize) -> usize {
        self.times * length + self.bytes
    }
}

/// Something that reads what others have written.
pub trait Target {
    /// What it is called.
    fn name(&self) -> &'static str;
    /// What it may take.
    fn limit(&self) -> Limit;
    /// The longest input that it is given.
    fn longest(&self) -> usize {
        16 << 10
    }
    /// Inputs to begin with.
    fn seeds(&self) -> Vec<Vec<u8>>;
    /// Words that mean something to it.
    fn words(&self) -> &'static [&'static str] {
        &[]
    }
    /// Makes a changed input one that is read further: its checksums right, its lengths those that it has.
    fn mend(&self, _input: &mut Vec<u8>, _lots: &mut Lots) {}
    /// Whether a panic inside is caught by the code that is tried itself.
    fn catches_panics(&self) -> bool {
        false
    }
    /// Reads an input, and says whether it was taken or refused.
    ///
    /// # Errors
    /// What was read is not what it must be, in words.
    fn read(&self, input: &[u8]) -> Result<bool, String>;
}
