//! Requests that programs tell of themselves: lines of JSON on a Unix socket, whose abstract name belongs to the node's own network.
//!
//! `{"offered": 7}`, then `{"completed": 7}` or `{"errored": 7, "reason": "…"}`. A number is the program's own; one node's programs
//! share theirs. Each line counts as of the instant at which it arrives, or of `at`, nanoseconds of `CLOCK_MONOTONIC`.

use std::io::{self, BufRead, BufReader, Read};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::thread;

use serde::Deserialize;

use crate::clock::Instant;
use crate::telemetry::{Event, Telemetry};

/// Its name in the abstract namespace.
pub(super) const SOCKET: &str = "emu";
/// The longest line that is taken.
const LONGEST: u64 = 64 << 10;

/// What a line may say.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    at: Option<Instant>,
    offered: Option<u64>,
    completed: Option<u64>,
    errored: Option<u64>,
    reason: Option<String>,
}

/// How a program's numbers become those of requests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbers {
    pub stride: u64,
    pub own: u32,
}

impl Numbers {
    /// The request with this count of this index; `None` beyond all numbers.
    pub fn request(self, count: u64, index: u32) -> Option<u64> {
        count.checked_mul(self.stride)?.checked_add(u64::from(index))
    }
}

/// Listens from here on.
pub(super) fn listen(numbers: Numbers, telemetry: Telemetry) -> io::Result<()> {
    let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(SOCKET)?)?;
    let accept = move || {
        for stream in listener.incoming().flatten() {
            let telemetry = telemetry.clone();
            // Without a thread it is not heard; the program finds its connection closed.
            let _ = thread::Builder::new().name("lines".into()).spawn(move || hear(stream, numbers, &telemetry));
        }
    };
    thread::Builder::new().name("lines".into()).spawn(accept)?;
    Ok(())
}

fn hear(stream: UnixStream, numbers: Numbers, telemetry: &Telemetry) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.by_ref().take(LONGEST).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) if line.last() != Some(&b'\n') => {
                tracing::warn!(
                    "a program's line is longer than {LONGEST} bytes, or has no end: it is not heard any more"
                );
                return;
            }
            Ok(_) => {}
        }
        let now = Instant::now();
        match events(&line, numbers) {
            Ok((at, events)) => events.into_iter().for_each(|event| telemetry.tell_at(at.unwrap_or(now), event)),
            Err(reason) => tracing::warn!(%reason, "a program said {:?}", String::from_utf8_lossy(&line)),
        }
    }
}

fn events(line: &[u8], numbers: Numbers) -> Result<(Option<Instant>, Vec<Event>), String> {
    let Line { at, offered, completed, errored, reason } =
        serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let request = |number: u64| numbers.request(number, numbers.own).ok_or("the number is too large");
    let mut events = Vec::new();
    if let Some(number) = offered {
        let scheduled = at.unwrap_or_else(Instant::now);
        events.push(Event::Offered { request: request(number)?, input: numbers.own, scheduled });
    }
    if let Some(number) = completed {
        events.push(Event::Answered { request: request(number)? });
    }
    if let Some(number) = errored {
        let reason = reason.unwrap_or_else(|| "the program says so".to_owned());
        events.push(Event::Errored { request: request(number)?, reason });
    }
    if events.is_empty() { Err("none of `offered`, `completed`, `errored`".to_owned()) } else { Ok((at, events)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_a_program_become_requests_of_its_own() {
        let numbers = Numbers { stride: 5, own: 3 };
        let said = |line: &str| events(line.as_bytes(), numbers);
        let offered = Event::Offered { request: 13, input: 3, scheduled: Instant(9) };
        assert_eq!(said(r#"{"offered": 2, "at": 9}"#), Ok((Some(Instant(9)), vec![offered])));
        assert_eq!(said(r#"{"completed": 2}"#), Ok((None, vec![Event::Answered { request: 13 }])));
        let errored = Event::Errored { request: 13, reason: "full".into() };
        assert_eq!(said(r#"{"errored": 2, "reason": "full"}"#), Ok((None, vec![errored])));
        assert!(said(r#"{"completed": 18446744073709551615}"#).is_err());
        assert!(said("{}").is_err() && said("[]").is_err() && said(r#"{"done": 2}"#).is_err());
    }
}
