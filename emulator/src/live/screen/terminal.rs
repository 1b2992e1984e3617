//! The user's terminal: how it is made ready, and that it is as before afterwards, whatever happens.
//!
//! Two processes share it. The one outside the sandbox belongs to the terminal's foreground group: only it may read, and
//! it outlives the run, so it sets the terminal's mode, passes keys on, and puts everything back. The one inside draws.
//! Between them is a socket: keys one way, the other way whether the screen is entered or left, so that the one outside
//! knows what is left for it to do when the one inside was killed.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::sys::termios::{InputFlags, LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr};

/// The alternate screen, no cursor; and back.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[2J";
const LEAVE: &[u8] = b"\x1b[0m\x1b[?25h\x1b[?1049l";
const ENTERED: u8 = b'e';
const LEFT: u8 = b'l';

/// There can be no live view.
#[derive(Debug, thiserror::Error)]
pub enum ScreenError {
    /// Keys or the picture don't come from or go to a terminal.
    #[error("--ui needs a terminal, but {0} is none; leave --ui away, or watch the run with --metrics")]
    NoTerminal(&'static str),
    /// The terminal refuses.
    #[error("the terminal can't be used for --ui: {0}")]
    Refused(#[from] Errno),
    /// The kernel refuses what is needed beside it.
    #[error("no live view can be shown: {0}")]
    System(#[from] io::Error),
}

/// The terminal, held by the process outside. When it goes, the terminal is as it was.
#[derive(Debug)]
pub struct Terminal {
    before: Termios,
    /// What the process inside says.
    said: UnixStream,
}

impl Terminal {
    /// Makes the terminal send every key at once and unseen. Ctrl-C keeps its meaning; what would stop this process, or end it
    /// without a word, has none. Returns the end of the socket to pass keys on to, and what the process inside is to have.
    ///
    /// # Errors
    /// See [`ScreenError`].
    pub fn take() -> Result<(Terminal, UnixStream, Stage), ScreenError> {
        if !io::stdin().is_terminal() {
            return Err(ScreenError::NoTerminal("standard input"));
        }
        if !io::stderr().is_terminal() {
            return Err(ScreenError::NoTerminal("standard error"));
        }
        let (outside, inside) = UnixStream::pair()?;
        let said = outside.try_clone()?;
        // A process inside that hangs must not hold this one up.
        outside.set_nonblocking(true)?;
        let screen = File::from(io::stderr().as_fd().try_clone_to_owned()?);
        let before = tcgetattr(io::stdin())?;
        let mut mode = before.clone();
        mode.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::IEXTEN);
        mode.input_flags.remove(InputFlags::IXON);
        mode.input_flags.insert(InputFlags::ICRNL);
        mode.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
        mode.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
        for unwanted in [SpecialCharacterIndices::VSUSP, SpecialCharacterIndices::VQUIT] {
            mode.control_chars[unwanted as usize] = libc::_POSIX_VDISABLE;
        }
        tcsetattr(io::stdin(), SetArg::TCSANOW, &mode)?;
        let stage = Stage { socket: inside, screen, entered: AtomicBool::new(false) };
        Ok((Terminal { before, said }, outside, stage))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let (mut entered, mut piece) = (false, [0; 64]);
        while let Ok(count @ 1..) = self.said.read(&mut piece) {
            entered = piece[count - 1] == ENTERED;
        }
        if entered {
            let _ = io::stderr().write_all(LEAVE);
        }
        // A terminal that has gone away needs nothing.
        let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, &self.before);
    }
}

/// What the process inside has of the terminal.
#[derive(Debug)]
pub struct Stage {
    socket: UnixStream,
    screen: File,
    entered: AtomicBool,
}

impl Stage {
    /// Where to draw.
    pub fn screen(&self) -> &File {
        &self.screen
    }

    /// Where keys come from.
    pub fn keys(&self) -> &UnixStream {
        &self.socket
    }

    /// From here on what is on the screen is ours. A panic's message shall be seen, so the screen is left before it.
    pub fn enter(self: &Arc<Stage>) -> io::Result<()> {
        let (stage, told) = (Arc::clone(self), std::panic::take_hook());
        std::panic::set_hook(Box::new(move |panic| {
            stage.leave();
            told(panic);
        }));
        self.entered.store(true, Ordering::SeqCst);
        (&self.socket).write_all(&[ENTERED])?;
        (&self.screen).write_all(ENTER)
    }

    /// Whether the screen is ours.
    pub fn is_entered(&self) -> bool {
        self.entered.load(Ordering::SeqCst)
    }

    /// What was there before is shown again. Once is enough.
    pub fn leave(&self) {
        if self.entered.swap(false, Ordering::SeqCst) && (&self.screen).write_all(LEAVE).is_ok() {
            let _ = (&self.socket).write_all(&[LEFT]);
        }
    }
}
