//! When a program serves.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::thread;
use std::time::Duration;

use super::child::{Home, Says, run};
use super::config::Ready;
use super::http;

/// How often it is asked.
const PACE: Duration = Duration::from_millis(50);
/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// The node's own logs, in the folder that it was started in.
const LOGS: [&str; 2] = ["stdout.log", "stderr.log"];

/// What is looked at, from the moment before the program is started: what an earlier process of the node said is not its word.
pub(super) struct Watched {
    ready: Option<Ready>,
    logs: Vec<(&'static str, u64)>,
}

impl Watched {
    pub fn from_here(ready: Option<Ready>) -> Watched {
        let length = |name| std::fs::metadata(name).map_or(0, |file| file.len());
        Watched { ready, logs: LOGS.map(|name| (name, length(name))).into() }
    }

    /// Returns when the program serves; how long that may take is up to others.
    pub fn wait(self, home: &Home) {
        let Some(ready) = &self.ready else { return };
        while !self.serves(ready, home) {
            thread::sleep(PACE);
        }
    }

    fn serves(&self, ready: &Ready, home: &Home) -> bool {
        match ready {
            Ready::Tcp { to } => http::connect(*to, PATIENCE).is_ok(),
            Ready::Http { to, path } => http::get(*to, path, PATIENCE).is_ok(),
            Ready::Command { run: words } => {
                let child = home.spawn(words, Says::File("ready.log".to_owned()));
                let ended = child.and_then(|child| run(child, PATIENCE));
                ended.is_ok_and(|status| status.is_some_and(|status| status.success()))
            }
            Ready::Log { text } => self.logs.iter().any(|(name, from)| has_line(name, *from, text)),
        }
    }
}

/// Whether a whole line of a file has a text in it, from an offset on.
fn has_line(name: &str, from: u64, text: &str) -> bool {
    let Ok(mut file) = File::open(name) else { return false };
    if file.seek(SeekFrom::Start(from)).is_err() {
        return false;
    }
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        if line.last() == Some(&b'\n') && String::from_utf8_lossy(&line).contains(text) {
            return true;
        }
        line.clear();
    }
    false
}
