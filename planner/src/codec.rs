//! How a tensor is encoded between two stages. The encoders themselves are the node's; the planner
//! only needs to name a codec and to know how many bytes each makes of a tensor.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How a tensor is encoded on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum Codec {
    /// The tensor's own bytes, little endian.
    #[default]
    #[serde(rename = "raw")]
    Raw,
    /// 32-bit floats rounded to 16 bits. Loses precision; other element types stay as they are.
    #[serde(rename = "f16")]
    F16,
    /// LZ4 block compression of the tensor's own bytes.
    #[serde(rename = "lz4")]
    Lz4,
    /// Affine quantisation of 32-bit floats to 8 bits (minimum and scale per tensor), then LZ4. Loses precision.
    #[serde(rename = "u8+lz4")]
    U8Lz4,
}

impl Codec {
    /// Every codec, in the order they are documented.
    pub const ALL: [Codec; 4] = [Codec::Raw, Codec::F16, Codec::Lz4, Codec::U8Lz4];

    /// The name used in scenarios and files.
    pub const fn name(self) -> &'static str {
        match self {
            Codec::Raw => "raw",
            Codec::F16 => "f16",
            Codec::Lz4 => "lz4",
            Codec::U8Lz4 => "u8+lz4",
        }
    }

    /// Whether a tensor decodes to exactly the bits that were encoded.
    pub const fn is_lossless(self) -> bool {
        matches!(self, Codec::Raw | Codec::Lz4)
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A codec name that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a codec (raw, f16, lz4 or u8+lz4)")]
pub struct UnknownCodec(pub String);

impl FromStr for Codec {
    type Err = UnknownCodec;
    fn from_str(name: &str) -> Result<Codec, UnknownCodec> {
        Codec::ALL.into_iter().find(|codec| codec.name() == name).ok_or_else(|| UnknownCodec(name.to_owned()))
    }
}
