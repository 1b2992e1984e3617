//! As much of HTTP/1.1 as a scraper needs: one request on each connection, `GET /metrics`.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use node::clock::Instant;

use super::super::Live;
use super::exposition;

/// How long a request may take to arrive, and its answer to be taken.
const PATIENCE: Duration = Duration::from_secs(2);
/// So long may a request's head be.
const HEAD: usize = 8 << 10;

/// The address can't be listened on.
#[derive(Debug, thiserror::Error)]
#[error(
    "no metrics can be served at {address}: {source}; --metrics takes an address and a port that is free, such as 127.0.0.1:9464"
)]
pub struct MetricsError {
    address: String,
    source: io::Error,
}

/// Opens a listener in the namespace of the caller, and says where it is: port 0 becomes one that is free.
///
/// # Errors
/// When `address` is none, or can't be had.
pub fn listen(address: &str) -> Result<(TcpListener, SocketAddr), MetricsError> {
    let failed = |source| MetricsError { address: address.to_owned(), source };
    let listener = TcpListener::bind(address).map_err(failed)?;
    let place = listener.local_addr().map_err(failed)?;
    Ok((listener, place))
}

/// Answers whoever asks, in a thread of its own, until the process ends.
///
/// # Errors
/// When no thread can be started.
pub fn serve(listener: TcpListener, live: Live) -> io::Result<()> {
    let answer = move || {
        for stream in listener.incoming() {
            match stream {
                // Who asks and goes away has not asked.
                Ok(stream) => drop(answer(stream, &live)),
                // No descriptor is left, say; it may come back.
                Err(_) => std::thread::sleep(Duration::from_millis(100)),
            }
        }
    };
    std::thread::Builder::new().name("metrics".to_owned()).spawn(answer).map(drop)
}

fn answer(mut stream: TcpStream, live: &Live) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let head = head(&mut stream)?;
    let mut words = head.split([' ', '\r', '\n']);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (status, kind, body) = match (method, path.split('?').next().unwrap_or_default()) {
        ("GET" | "HEAD", "/metrics") => {
            let state = live.snapshot();
            let until = state.ended.unwrap_or_else(Instant::now);
            let elapsed = state.began.map_or(0.0, |began| until.since(began).as_secs_f64());
            ("200 OK", "text/plain; version=0.0.4; charset=utf-8", exposition(&state, elapsed))
        }
        ("GET" | "HEAD", "/") => ("200 OK", "text/plain; charset=utf-8", "a run of emu: see /metrics\n".to_owned()),
        ("GET" | "HEAD", _) => ("404 Not Found", "text/plain; charset=utf-8", "there is only /metrics\n".to_owned()),
        _ => ("405 Method Not Allowed", "text/plain; charset=utf-8", "only GET and HEAD are known\n".to_owned()),
    };
    let length = body.len();
    let allow = if status.starts_with("405") { "Allow: GET, HEAD\r\n" } else { "" };
    let reply = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{allow}Connection: close\r\n\r\n"
    );
    stream.write_all(reply.as_bytes())?;
    if method != "HEAD" {
        stream.write_all(body.as_bytes())?;
    }
    stream.flush()
}

/// What comes before the empty line. Whoever takes too long or says too much is not listened to any more.
fn head(stream: &mut TcpStream) -> io::Result<String> {
    let until = Instant::now() + PATIENCE;
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let left = until.since(Instant::now());
        if left.is_zero() || head.len() > HEAD {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let mut piece = [0; 1024];
        match stream.read(&mut piece)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => head.extend_from_slice(&piece[..count]),
        }
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}
