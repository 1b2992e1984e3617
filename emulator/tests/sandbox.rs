//! The promises of a sandbox, tried on this kernel.

mod support;

use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use emulator::sandbox::{self, Sandbox, SandboxError};
use nix::sys::signal::Signal;
use nix::unistd::getuid;
use planner::units::ByteSize;
use rand_core::Rng;
use rand_pcg::Pcg64;
use support::{Actor, Named, all_namespaces, eventually, mark, namespaces};

fn main() -> ExitCode {
    let tests: &[Named] = &[
        ("kill_9_of_the_command_leaves_nothing", kill_9_of_the_command_leaves_nothing),
        ("kill_9_at_random_instants_leaves_nothing", kill_9_at_random_instants_leaves_nothing),
        (
            "kill_9_of_the_first_process_ends_everything_and_is_told",
            kill_9_of_the_first_process_ends_everything_and_is_told,
        ),
        ("a_user_without_rights_is_root_in_there", a_user_without_rights_is_root_in_there),
        ("two_sandboxes_do_not_see_each_other", two_sandboxes_do_not_see_each_other),
        (
            "the_first_interrupt_is_passed_on_and_the_second_kills",
            the_first_interrupt_is_passed_on_and_the_second_kills,
        ),
        ("the_exit_code_comes_out", the_exit_code_comes_out),
        ("a_process_with_threads_is_refused", a_process_with_threads_is_refused),
        ("a_state_folder_is_limited_and_goes", a_state_folder_is_limited_and_goes),
    ];
    let roles: &[Named] = &[("holder", holder), ("sleeper", sleeper), ("stubborn", stubborn)];
    support::main(tests, roles)
}

/// Role: a sandbox with three processes and a mount, which says where it is and waits for a signal.
fn holder() {
    let folder = std::env::var("EMU_TEST_FOLDER").unwrap_or_else(|_| "/tmp".to_owned());
    let code = sandbox::run(|sandbox| {
        let _state = sandbox.tmpfs(Path::new(&folder), ByteSize::from_mib(1)).expect("a state folder");
        for _ in 0..3 {
            let sleeper = Command::new("/proc/self/exe").args(["sleeper", &mark()]).stdin(Stdio::null()).spawn();
            // Nobody waits for it: the sandbox has to end it.
            std::mem::forget(sleeper.expect("a sleeper"));
        }
        fs::write(Path::new(&folder).join("mine"), mark()).expect("a file");
        let names: Vec<String> = namespaces("self").iter().map(|name| name.display().to_string()).collect();
        let own_pid = std::process::id();
        say(&format!("{own_pid} {} {} {}", getuid(), sandbox.rootless(), names.join(" ")));
        interrupted(sandbox);
        7
    });
    exit(code);
}

/// Role: a sandbox that hears of interrupts and goes on.
fn stubborn() {
    exit(sandbox::run(|sandbox| {
        say("ready");
        loop {
            let signal = interrupted(sandbox);
            say(signal.as_str());
        }
    }));
}

/// Role: a process of a sandbox.
fn sleeper() {
    loop {
        std::thread::park();
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn interrupted(sandbox: &Sandbox) -> Signal {
    loop {
        match sandbox.signals().wait().expect("signals") {
            Signal::SIGCHLD => {}
            signal => return signal,
        }
    }
}

fn exit(code: Result<u8, SandboxError>) -> ! {
    let code = code.unwrap_or_else(|error| {
        eprintln!("{error}");
        error.exit_code()
    });
    std::process::exit(code.into())
}

/// The namespaces that a holder said it is in, less those of this test.
fn new_namespaces(line: &str) -> Vec<std::path::PathBuf> {
    let ours = namespaces("self");
    line.split(' ').skip(3).map(Into::into).filter(|name| !ours.contains(name)).collect()
}

fn holder_in(folder: &Path, change: impl FnOnce(&mut Command)) -> Actor {
    Actor::start("holder", |command| {
        command.env("EMU_TEST_FOLDER", folder);
        change(command);
    })
}

fn nothing_is_left(actor: &Actor, folder: &Path, made: &[std::path::PathBuf]) {
    eventually("all processes end", || actor.processes().is_empty());
    eventually("all namespaces go", || {
        let left = all_namespaces();
        made.iter().all(|name| !left.contains(name))
    });
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    assert!(!mounts.contains(folder.to_str().expect("a name")), "a mount is left");
}

fn kill_9_of_the_command_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut actor = holder_in(folder.path(), |_| {});
    let line = actor.line();
    let made = new_namespaces(&line);
    assert!(line.starts_with("1 "), "the run is the first process of its pid namespace: {line}");
    assert!(made.len() >= 4, "net, pid, mnt and uts are new: {made:?}");
    // A process that has just been started has no command line for a moment.
    eventually("the command, the first process, three in it", || actor.processes().len() == 5);
    actor.signal(Signal::SIGKILL);
    assert_eq!(actor.code(), None);
    nothing_is_left(&actor, folder.path(), &made);
}

fn kill_9_at_random_instants_leaves_nothing() {
    let mut random = Pcg64::new(20, 1);
    for _ in 0..20 {
        let folder = tempfile::tempdir().expect("a folder");
        let before = all_namespaces();
        let mut actor = holder_in(folder.path(), |_| {});
        let micros = random.next_u64() % 30_000;
        std::thread::sleep(Duration::from_micros(micros));
        let made: Vec<_> = actor.processes().iter().flat_map(|pid| namespaces(&pid.to_string())).collect();
        let made: Vec<_> = made.into_iter().filter(|name| !before.contains(name)).collect();
        actor.signal(Signal::SIGKILL);
        assert_eq!(actor.code(), None, "killed after {micros} µs");
        nothing_is_left(&actor, folder.path(), &made);
    }
}

fn kill_9_of_the_first_process_ends_everything_and_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut actor = holder_in(folder.path(), |_| {});
    let made = new_namespaces(&actor.line());
    let first = actor.processes().into_iter().find(|pid| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.lines().any(|line| line == format!("PPid:\t{}", actor.pid()))
    });
    nix::sys::signal::kill(first.expect("the first process"), Signal::SIGKILL).expect("a signal");
    assert_eq!(actor.code(), Some(128 + 9));
    nothing_is_left(&actor, folder.path(), &made);
}

fn a_user_without_rights_is_root_in_there() {
    if !getuid().is_root() {
        // Then every other test shows it.
        println!("skipped: not root, so nobody else can be tried");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    std::os::unix::fs::chown(folder.path(), Some(65534), Some(65534)).expect("given away");
    // Who can't look into the folder that this program lies in gets a copy.
    let program = folder.path().join("program");
    fs::copy("/proc/self/exe", &program).expect("a copy");
    let state = folder.path().join("state");
    let mut actor = Actor::start("holder", |command| {
        let mark = command.get_args().last().expect("a mark").to_owned();
        *command = Command::new(&program);
        command.arg("holder").arg(mark).env("EMU_TEST_FOLDER", &state).stdout(Stdio::piped());
        command.current_dir("/").uid(65534).gid(65534);
    });
    let line = actor.line();
    let made = new_namespaces(&line);
    assert!(line.starts_with("1 0 true "), "first, root, in its own user namespace: {line}");
    assert_eq!(made.len(), 5);
    actor.signal(Signal::SIGKILL);
    actor.code();
    nothing_is_left(&actor, &state, &made);
}

fn two_sandboxes_do_not_see_each_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut actors = [0, 1].map(|_| holder_in(folder.path(), |_| {}));
    let [made, other] = [0, 1].map(|which: usize| new_namespaces(&actors[which].line()));
    assert!(made.iter().all(|name| !other.contains(name)), "{made:?} {other:?}");
    assert!(!folder.path().join("mine").exists(), "what is mounted inside is not seen outside");
    let [first, second] = &mut actors;
    first.signal(Signal::SIGTERM);
    assert_eq!(first.code(), Some(143));
    nothing_is_left(first, folder.path(), &made);
    assert_eq!(second.processes().len(), 5, "the other one goes on");
    second.signal(Signal::SIGINT);
    assert_eq!(second.code(), Some(130));
    nothing_is_left(second, folder.path(), &other);
}

fn the_first_interrupt_is_passed_on_and_the_second_kills() {
    let mut actor = Actor::start("stubborn", |_| {});
    assert_eq!(actor.line(), "ready");
    actor.signal(Signal::SIGINT);
    assert_eq!(actor.line(), "SIGINT");
    actor.signal(Signal::SIGTERM);
    assert_eq!(actor.code(), Some(130), "the first one counts");
    eventually("all processes end", || actor.processes().is_empty());
}

fn the_exit_code_comes_out() {
    assert_eq!(sandbox::run(|_| 6), Ok(6));
}

fn a_process_with_threads_is_refused() {
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || held.recv());
    assert_eq!(sandbox::run(|_| 0), Err(SandboxError::Threads));
    drop(hold);
    let _ = thread.join();
}

fn a_state_folder_is_limited_and_goes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state");
    let code = sandbox::run(|sandbox| {
        let state = sandbox.tmpfs(&path, ByteSize::from_mib(1)).expect("a state folder");
        fs::write(path.join("fits"), vec![1; 500 << 10]).expect("half of it");
        let full = fs::write(path.join("too-much"), vec![1; 2 << 20]).expect_err("it is limited");
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
        state.close().expect("it goes");
        u8::from(path.exists())
    });
    assert_eq!(code, Ok(0));
}
