//! The frame: a fixed header of 32 bytes and a payload.
//!
//! ```text
//! offset  0     4        5               6      8      12       20      24           28          32
//!         magic version  kind and codec  chain  epoch  request  length  payload CRC  header CRC  payload…
//! ```
//!
//! The kind is in the lower four bits of its byte, the codec in the upper four. Integers are little endian. Header and payload each have their own CRC32 (IEEE), so that a damaged
//! length is noticed before anything is read or allocated by it. TCP's own checksum is not enough: on
//! virtual links it is left to the receiver to skip it.

use bytes::Bytes;
use planner::codec::Codec;

/// Bytes of a header.
pub const HEADER: usize = 32;
/// Largest payload: a model segment of one GiB.
pub const MAX_PAYLOAD: usize = 1 << 30;
/// Version of this format; a peer of another version is refused.
pub const VERSION: u8 = 3;
const MAGIC: [u8; 4] = *b"EMUF";

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FrameKind {
    /// Control connection: a message ([`crate::wire::message`]), postcard.
    Control = 1,
    /// First frame of a data connection: `epoch` is the sender's, `request` its index in the cluster. No payload.
    /// First frame of a client's: `request` is its session, the payload the number before which it has all answers.
    Hello = 2,
    /// Data connection: the input of a stage; the dispatcher takes the last stage's output as one, too.
    Tensor = 3,
    /// Dispatcher to client: a request's output tensor; `epoch` is that of the plan that produced it.
    Result = 4,
    /// Client to dispatcher: a request's input tensor.
    Request = 5,
    /// Dispatcher to client: the request was accepted. The payload says, UTF-8, why that would not survive the
    /// dispatcher's end; it is empty where it would.
    Accepted = 6,
    /// Dispatcher to client: the request ends in an error; the payload is the reason, UTF-8.
    Refused = 7,
    /// Data connection, against the flow: the receiver is alive. No payload.
    Keepalive = 8,
    /// Client to dispatcher: it has the answer to the request, which may be forgotten. No payload.
    Acknowledge = 9,
    /// First frame of every connection, from the accepting end: a nonce ([`crate::wire::join`]).
    Challenge = 10,
    /// The answer to it, and the answer to that.
    Proof = 11,
}

impl FrameKind {
    const ALL: [FrameKind; 11] = [
        FrameKind::Control,
        FrameKind::Hello,
        FrameKind::Tensor,
        FrameKind::Result,
        FrameKind::Request,
        FrameKind::Accepted,
        FrameKind::Refused,
        FrameKind::Keepalive,
        FrameKind::Acknowledge,
        FrameKind::Challenge,
        FrameKind::Proof,
    ];
}

/// One frame. Cloning shares the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it is for.
    pub kind: FrameKind,
    /// The codec that was asked for; the payload of a tensor says itself how it is encoded.
    pub codec: Codec,
    /// The epoch of the plan it belongs to; zero where there is none.
    pub epoch: u32,
    /// The chain of that plan it takes; zero where there is none.
    pub chain: u16,
    /// The request it belongs to; zero where there is none.
    pub request: u64,
    /// The payload.
    pub payload: Bytes,
}

impl Frame {
    /// A frame without a codec.
    pub fn new(kind: FrameKind, epoch: u32, request: u64, payload: impl Into<Bytes>) -> Frame {
        Frame { kind, codec: Codec::Raw, epoch, chain: 0, request, payload: payload.into() }
    }

    /// The first frame of a data connection.
    pub fn hello(epoch: u32, sender: u32) -> Frame {
        Frame::new(FrameKind::Hello, epoch, sender.into(), Bytes::new())
    }

    /// The first frame of a client's connection: all its requests before `floor` are answered and acknowledged.
    pub fn client(session: u64, floor: u64) -> Frame {
        Frame::new(FrameKind::Hello, 0, session, floor.to_le_bytes().to_vec())
    }

    /// Sent against the flow of a data connection.
    pub fn keepalive() -> Frame {
        Frame::new(FrameKind::Keepalive, 0, 0, Bytes::new())
    }

    /// Tensors that [`crate::wire::codec::encode_all`] has put into `payload`.
    pub fn tensor(codec: Codec, epoch: u32, chain: u16, request: u64, payload: impl Into<Bytes>) -> Frame {
        Frame { kind: FrameKind::Tensor, codec, epoch, chain, request, payload: payload.into() }
    }

    /// The header, for the payload as it is.
    ///
    /// # Errors
    /// [`FrameError::TooLong`].
    pub fn header(&self) -> Result<[u8; HEADER], FrameError> {
        let length = self.payload.len();
        if length > MAX_PAYLOAD {
            return Err(FrameError::TooLong { length });
        }
        let mut header = [0; HEADER];
        header[0..4].copy_from_slice(&MAGIC);
        header[4] = VERSION;
        let codec = Codec::ALL.iter().position(|codec| *codec == self.codec).unwrap_or_default() as u8;
        header[5] = self.kind as u8 | codec << 4;
        header[6..8].copy_from_slice(&self.chain.to_le_bytes());
        header[8..12].copy_from_slice(&self.epoch.to_le_bytes());
        header[12..20].copy_from_slice(&self.request.to_le_bytes());
        header[20..24].copy_from_slice(&(length as u32).to_le_bytes());
        header[24..28].copy_from_slice(&crc32fast::hash(&self.payload).to_le_bytes());
        let crc = crc32fast::hash(&header[..28]);
        header[28..32].copy_from_slice(&crc.to_le_bytes());
        Ok(header)
    }
}

/// A header that has been read and found whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    kind: FrameKind,
    codec: Codec,
    epoch: u32,
    chain: u16,
    request: u64,
    length: usize,
    crc: u32,
}

impl Header {
    /// Reads a header.
    ///
    /// # Errors
    /// Every [`FrameError`] that concerns a header.
    pub fn parse(bytes: &[u8; HEADER]) -> Result<Header, FrameError> {
        let u32_at = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        if bytes[0..4] != MAGIC {
            return Err(FrameError::WrongMagic { found: u32_at(0) });
        }
        if bytes[4] != VERSION {
            return Err(FrameError::WrongVersion { found: bytes[4] });
        }
        if crc32fast::hash(&bytes[..28]) != u32_at(28) {
            return Err(FrameError::HeaderDamaged);
        }
        let (kind, codec) = (bytes[5] & 0x0f, bytes[5] >> 4);
        let known = FrameKind::ALL.into_iter().find(|known| *known as u8 == kind);
        let header = Header {
            kind: known.ok_or(FrameError::UnknownKind { found: kind })?,
            codec: *Codec::ALL.get(usize::from(codec)).ok_or(FrameError::UnknownCodec { found: codec })?,
            epoch: u32_at(8),
            chain: u16::from_le_bytes([bytes[6], bytes[7]]),
            request: u64::from(u32_at(12)) | u64::from(u32_at(16)) << 32,
            length: u32_at(20) as usize,
            crc: u32_at(24),
        };
        if header.length > MAX_PAYLOAD {
            return Err(FrameError::TooLong { length: header.length });
        }
        Ok(header)
    }

    /// Bytes of payload that follow.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The frame, given the payload.
    ///
    /// # Errors
    /// [`FrameError::PayloadDamaged`].
    pub fn with_payload(self, payload: impl Into<Bytes>) -> Result<Frame, FrameError> {
        let payload = payload.into();
        if payload.len() != self.length || crc32fast::hash(&payload) != self.crc {
            return Err(FrameError::PayloadDamaged { epoch: self.epoch, request: self.request });
        }
        let Header { kind, codec, epoch, chain, request, .. } = self;
        Ok(Frame { kind, codec, epoch, chain, request, payload })
    }
}

/// Why no frame could be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The peer closed the connection between two frames.
    #[error("the connection was closed")]
    Closed,
    /// The peer closed the connection inside a frame.
    #[error("the connection was closed inside a frame")]
    Truncated,
    /// The stream's time limit passed without a whole frame; what arrived is kept, read again.
    #[error("nothing arrived in time")]
    Idle,
    /// The bytes are no frame.
    #[error("not a frame: it begins with {found:#010x}")]
    WrongMagic {
        /// What stands in its place.
        found: u32,
    },
    /// The peer speaks another version.
    #[error("the peer speaks version {found} of the frame format, this program version {VERSION}")]
    WrongVersion {
        /// The peer's.
        found: u8,
    },
    /// The header's CRC is wrong.
    #[error("a frame's header was damaged on the way (CRC)")]
    HeaderDamaged,
    /// The payload's CRC is wrong.
    #[error("the payload of request {request}, epoch {epoch}, was damaged on the way (CRC)")]
    PayloadDamaged {
        /// The frame's epoch.
        epoch: u32,
        /// The frame's request.
        request: u64,
    },
    /// The kind is not one of [`FrameKind`].
    #[error("frame kind {found} is not known")]
    UnknownKind {
        /// What was sent.
        found: u8,
    },
    /// The codec is not known.
    #[error("codec {found} is not known")]
    UnknownCodec {
        /// What was sent.
        found: u8,
    },
    /// The payload is longer than [`MAX_PAYLOAD`], or than this peer may send.
    #[error("a payload of {length} bytes is more than a frame may carry here")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Io(#[source] std::io::Error),
}
