//! What either end says before it has joined, and what a sender's peer says against the flow. On real connections, over
//! the loopback: every input is one connection. The peer sends the input, ends its direction, and must be let go at once.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::OnceLock;
use std::sync::mpsc::channel;
use std::time::Duration;

use bytes::Bytes;
use node::wire::connection::Tuning;
use node::wire::frame::{Frame, FrameKind, HEADER};
use node::wire::join::{Port, accept, join};
use node::wire::pulse::spawn_watch;
use node::wire::secret::{LENGTH, Secret};
use node::wire::stream::FrameWriter;

use super::frames;
use super::heartbeats::secret;
use crate::lots::Lots;
use crate::{Limit, Target};

/// Longer than this nobody waits for a peer that has said all.
const PATIENCE: Duration = Duration::from_secs(20);

/// Who is tried.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    Accepting,
    Connecting,
}

pub struct Join {
    end: End,
    secret: Secret,
    /// Where the accepting end is tried, once it is there.
    open: OnceLock<SocketAddr>,
}

impl Join {
    pub fn new(end: End) -> Join {
        Join { end, secret: secret(), open: OnceLock::new() }
    }

    /// The peer speaks to one who accepts.
    fn accepting(&self, input: &[u8]) -> std::io::Result<()> {
        let open = *self.open.get_or_init(|| {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port on the loopback");
            let address = listener.local_addr().expect("its address");
            accept("fuzz", listener, (self.secret.clone(), Port::Client), Tuning::default(), drop).expect("a thread");
            address
        });
        said(&mut TcpStream::connect(open)?, input)
    }

    /// The peer is one that was connected to; then, if it has joined or not, one that sends keepalives.
    fn connecting(&self, input: &[u8]) -> std::io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let stream = TcpStream::connect(listener.local_addr()?)?;
        let (mut peer, _) = listener.accept()?;
        peer.write_all(input)?;
        peer.shutdown(Shutdown::Write)?;
        let joined = join(&stream, &self.secret, Port::Data, PATIENCE);
        if joined.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::TimedOut) {
            return joined;
        }
        let (tell, told) = channel();
        spawn_watch("watch", stream, Duration::from_millis(100), 3, move |lost| drop(tell.send(lost)))?;
        told.recv_timeout(PATIENCE).map(drop).map_err(|_| std::io::ErrorKind::TimedOut.into())
    }
}

/// Says `input` and no more, and waits for the other to close.
fn said(stream: &mut TcpStream, input: &[u8]) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    // The other may close before it has heard all.
    let _ = stream.write_all(input);
    let _ = stream.shutdown(Shutdown::Write);
    match stream.read_to_end(&mut Vec::new()) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Err(error),
        _ => Ok(()),
    }
}

impl Target for Join {
    fn name(&self) -> &'static str {
        match self.end {
            End::Accepting => "join-accepting",
            End::Connecting => "join-connecting",
        }
    }

    /// Threads' stacks are the kernel's; at most 64 bytes of payload are read of a peer that has proven nothing. One that
    /// was connected to may announce a frame against the flow: 16 MiB ahead, and as much again.
    fn limit(&self) -> Limit {
        match self.end {
            End::Accepting => Limit { times: 4, bytes: 256 << 10 },
            End::Connecting => Limit { times: 4, bytes: (32 << 20) + (256 << 10) },
        }
    }

    fn longest(&self) -> usize {
        1024
    }

    fn seeds(&self) -> Vec<Vec<u8>> {
        let nonce = Bytes::from_static(&[9; LENGTH]);
        let proof = Bytes::from_static(&[9; 2 * LENGTH]);
        let (challenge, proof) =
            (Frame::new(FrameKind::Challenge, 0, 0, nonce), Frame::new(FrameKind::Proof, 0, 0, proof));
        let conversations =
            [vec![challenge.clone(), proof.clone()], vec![proof], vec![challenge], vec![Frame::keepalive(); 3]];
        let written = |frames: &Vec<Frame>| {
            let mut writer = FrameWriter::new(Vec::new());
            frames.iter().for_each(|frame| drop(writer.write(frame)));
            writer.get_ref().clone()
        };
        conversations.iter().map(written).chain([vec![0; HEADER]]).collect()
    }

    fn mend(&self, input: &mut Vec<u8>, lots: &mut Lots) {
        frames::mend(input, lots);
    }

    fn read(&self, input: &[u8]) -> Result<bool, String> {
        let result = match self.end {
            End::Accepting => self.accepting(input),
            End::Connecting => self.connecting(input),
        };
        match result {
            Err(error) if matches!(error.kind(), std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock) => {
                Err("the peer had said all, and was not let go".to_owned())
            }
            result => Ok(result.is_ok()),
        }
    }
}
