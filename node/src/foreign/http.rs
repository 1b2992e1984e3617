//! Connections and GETs with a deadline. HTTP/1.1 as far as a probe needs it: what is answered is read to its end and thrown away.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::clock::Instant;

/// More than this is not read of an answer's head.
const HEAD: usize = 64 << 10;

/// Makes a connection.
pub(super) fn connect(to: SocketAddr, timeout: Duration) -> Result<TcpStream, String> {
    // Zero is refused as a time to wait.
    TcpStream::connect_timeout(&to, timeout.max(Duration::from_millis(1))).map_err(|error| reason(&error))
}

/// Asks for a path; `Err` says why the answer is none or not of success.
pub(super) fn get(to: SocketAddr, path: &str, timeout: Duration) -> Result<(), String> {
    let until = Instant::now() + timeout;
    let mut stream = connect(to, timeout)?;
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {to}\r\nUser-Agent: emu\r\nAccept: */*\r\nConnection: close\r\n\r\n");
    let left = until.since(Instant::now()).max(Duration::from_millis(1));
    let sent = stream.set_write_timeout(Some(left)).and_then(|()| stream.write_all(request.as_bytes()));
    sent.map_err(|error| reason(&error))?;
    let status = answer(&mut stream, until).map_err(|error| reason(&error))?;
    if (200..300).contains(&status) { Ok(()) } else { Err(format!("status {status}")) }
}

/// The status of an answer, once all of it has arrived.
fn answer(stream: &mut TcpStream, until: Instant) -> io::Result<u16> {
    let mut buffer = [0; 16 << 10];
    let mut head: Vec<u8> = Vec::new();
    // What of the body has arrived, and all of it if that is said.
    let mut body: Option<(u64, Option<u64>)> = None;
    loop {
        let left = until.since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let length = match stream.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            length => length?,
        };
        match &mut body {
            Some((arrived, _)) => *arrived += length as u64,
            None => {
                head.extend_from_slice(&buffer[..length]);
                if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
                    let arrived = (head.len() - end - 4) as u64;
                    head.truncate(end);
                    body = Some((arrived, length_of(&head)));
                } else if length == 0 || head.len() > HEAD {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "no HTTP answer"));
                }
            }
        }
        match body {
            Some((arrived, Some(all))) if arrived >= all => return status(&head),
            Some((_, None)) if length == 0 => return status(&head),
            Some((_, Some(_))) if length == 0 => {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the answer was cut short"));
            }
            _ => {}
        }
    }
}

fn status(head: &[u8]) -> io::Result<u16> {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let version = words.next().unwrap_or_default().starts_with(b"HTTP/");
    let status = words.next().and_then(|word| std::str::from_utf8(word).ok()?.parse().ok());
    status.filter(|_| version).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no HTTP answer"))
}

fn length_of(head: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(head);
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    })
}

/// Why something failed, in words that don't differ from one system to the next.
pub(super) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "no answer in time".to_owned(),
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Answers one request with `text`, then closes, or holds the connection open for a second.
    fn server(text: &'static str, close: bool) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1024]);
            stream.write_all(text.as_bytes()).unwrap();
            if !close {
                thread::sleep(Duration::from_secs(1));
            }
        });
        address
    }

    #[test]
    fn an_answer_counts_when_it_is_whole_and_of_success() {
        let ask = |text, close| get(server(text, close), "/health", Duration::from_millis(300));
        assert_eq!(ask("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false), Ok(()));
        assert_eq!(ask("HTTP/1.1 204 No Content\r\n\r\n", true), Ok(()));
        assert_eq!(ask("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", false), Err("status 503".into()));
        assert_eq!(ask("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", true), Err("the answer was cut short".into()));
        assert_eq!(ask("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", false), Err("no answer in time".into()));
        assert_eq!(ask("SSH-2.0-x\r\n\r\n", true), Err("no HTTP answer".into()));
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(get(nobody, "/", Duration::from_secs(1)), Err("connection refused".into()));
    }
}
