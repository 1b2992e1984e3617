//! The same unshaped connection over rattan (<https://github.com/stack-rs/rattan>), where its binary is on the path.
//!
//! rattan starts a program of the user's at each end of its link; ours are [`listen`] and [`connect`].

use std::env;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::memfd::{MFdFlags, memfd_create};

use super::{BenchError, io, traffic};

const PROGRAM: &str = "rattan";
const PORT: u16 = 7000;
/// How long the one end waits until the other is there, and how much longer than it measures all of it may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// What the receiving end says before its figure.
const SAYS: &str = "goodput_mbits";
/// A link between two network namespaces that has neither rate nor delay.
const CONFIG: &str = "\
[env]
mode = \"Isolated\"
left_veth_count = 1
right_veth_count = 1

[links]
left = \"right\"
right = \"left\"
";

/// Where it is on the path.
pub fn installed() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(PROGRAM)).find(|program| program.is_file())
}

/// What [`tcp`] runs, as one would type it.
pub fn command(program: &Path) -> String {
    format!("{} run --config unshaped.toml --left-stdout --left RECEIVER --right SENDER", program.display())
}

/// Megabits per second through one TCP connection over its unshaped link; `None` if it fails here.
///
/// # Errors
/// When it can't be started.
pub fn tcp(program: &Path, time: Duration) -> Result<Option<f64>, BenchError> {
    let config = memfd_create(c"rattan.toml", MFdFlags::MFD_CLOEXEC)
        .map_err(|errno| io("making rattan's configuration")(errno.into()))?;
    let mut config = File::from(config);
    config.write_all(CONFIG.as_bytes()).map_err(io("writing rattan's configuration"))?;
    let own = env::current_exe().map_err(io("finding this program"))?;
    let mut child = Command::new(program)
        .args(["run", "--left-stdout", "--config"])
        .arg(format!("/proc/{}/fd/{}", std::process::id(), config.as_raw_fd()))
        .arg("--left")
        .args([own.as_os_str(), "bench".as_ref(), "end".as_ref(), "connect".as_ref()])
        .arg(time.as_secs_f64().to_string())
        .arg("--right")
        .args([own.as_os_str(), "bench".as_ref(), "end".as_ref(), "listen".as_ref()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(io("starting rattan"))?;
    let mut said = String::new();
    let mut output = child.stdout.take();
    let reader = thread::spawn(move || {
        // It ends when rattan does, and what is no text is no figure.
        let _ = output.as_mut().map(|output| output.read_to_string(&mut said));
        said
    });
    let limit = Instant::now() + 3 * time + PATIENCE;
    while child.try_wait().map_err(io("waiting for rattan"))?.is_none() && Instant::now() < limit {
        thread::sleep(Duration::from_millis(20));
    }
    // Nothing is left to end where it has ended in time.
    let _ = child.kill();
    let _ = child.wait();
    let said = reader.join().unwrap_or_default();
    Ok(said.lines().find_map(|line| line.strip_prefix(SAYS)?.trim().parse().ok()))
}

/// The sending end: waits for the other, and sends as long as that receives.
///
/// # Errors
/// When nobody comes.
pub fn listen() -> Result<(), BenchError> {
    let listener = TcpListener::bind((IpAddr::from([0, 0, 0, 0]), PORT)).map_err(io("listening"))?;
    let (stream, _) = listener.accept().map_err(io("accepting"))?;
    traffic::send(stream, &AtomicBool::new(false));
    Ok(())
}

/// The receiving end: says what arrived. Where the other end is, rattan tells in the environment.
///
/// # Errors
/// When there is no other end.
pub fn connect(time: Duration) -> Result<(), BenchError> {
    let there: IpAddr = env::var("RATTAN_BASE")
        .ok()
        .and_then(|address| address.parse().ok())
        .ok_or_else(|| io("reading RATTAN_BASE")(std::io::ErrorKind::NotFound.into()))?;
    let (there, limit) = (SocketAddr::new(there, PORT), Instant::now() + PATIENCE);
    let stream = loop {
        match TcpStream::connect_timeout(&there, PATIENCE) {
            Err(_) if Instant::now() < limit => thread::sleep(Duration::from_millis(50)),
            other => break other.map_err(io("connecting"))?,
        }
    };
    let goodput = traffic::receive(stream, time)?;
    writeln!(std::io::stdout(), "{SAYS} {goodput}").map_err(io("saying what arrived"))
}
