//! A pseudo terminal with somebody at it, who sees what a terminal emulator would show.
//!
//! `unsafe` is here for what a child does before it becomes `emu`: it takes the terminal for its own.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::termios::{Termios, tcgetattr};

/// How long somebody waits for something to show.
const PATIENCE: Duration = Duration::from_secs(120);

/// A terminal on which a command runs.
pub struct Pty {
    keys: File,
    /// Keeps the terminal there, to be looked at when the command has ended.
    slave: File,
    pub screen: Arc<Mutex<vt100::Parser>>,
    pub child: Child,
    pub before: Termios,
}

impl Pty {
    /// Runs a command on a terminal of so many columns and rows.
    pub fn run(mut command: Command, columns: u16, rows: u16) -> Pty {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(&size, None).expect("a pseudo terminal");
        let slave = File::from(slave);
        let before = tcgetattr(&slave).expect("a terminal has a mode");
        let own = || slave.try_clone().expect("a descriptor");
        command.stdin(own()).stdout(own()).stderr(own()).env_remove("NO_COLOR");
        let number = slave.as_raw_fd();
        // SAFETY: two system calls, which need nothing of the parent.
        unsafe {
            command.pre_exec(move || {
                nix::unistd::setsid()?;
                match nix::libc::ioctl(number, nix::libc::TIOCSCTTY, 0) {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                }
            });
        }
        let child = command.spawn().expect("emu starts");
        let keys = File::from(master);
        let mut shown = keys.try_clone().expect("a descriptor");
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
        let seen = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = shown.read(&mut bytes) {
                seen.lock().unwrap().process(&bytes[..count]);
            }
        });
        Pty { keys, slave, screen, child, before }
    }

    /// What is to be seen now.
    pub fn text(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    /// Whether what is seen is the run's own screen.
    pub fn is_taken(&self) -> bool {
        self.screen.lock().unwrap().screen().alternate_screen()
    }

    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("keys can be pressed");
    }

    /// Waits until what is seen is as wanted, and returns it.
    #[track_caller]
    pub fn until(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let text = self.text();
            if wanted(&text) {
                return text;
            }
            if let Some(status) = self.child.try_wait().expect("a child can be asked after") {
                panic!("emu ended ({status}) before {what} showed:\n{text}");
            }
            assert!(Instant::now() < until, "{what} did not show:\n{text}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for the command's end, and for what it said last.
    pub fn end(&mut self) -> ExitStatus {
        let status = self.child.wait().expect("a child can be waited for");
        std::thread::sleep(Duration::from_millis(300));
        status
    }

    /// Fails unless the terminal is as it was before the command.
    #[track_caller]
    pub fn is_restored(&self) {
        assert!(!self.is_taken(), "the screen was not left:\n{}", self.text());
        assert!(!self.screen.lock().unwrap().screen().hide_cursor(), "the cursor is hidden");
        let after = tcgetattr(&self.slave).expect("a terminal has a mode");
        assert_eq!(after, self.before, "the terminal's mode is another");
    }
}
