//! The promises of a sandbox, tried on this kernel.

mod support;

use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use emulator::sandbox::layer::{Access, Errors, Trouble};
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
        ("a_layer_shows_the_folder_below_whatever_is_done", a_layer_shows_the_folder_below_whatever_is_done),
        ("a_layer_delays_and_fails_what_it_is_told_to", a_layer_delays_and_fails_what_it_is_told_to),
        ("kill_9_while_a_process_waits_for_a_slow_disk_leaves_nothing", kill_9_while_a_process_waits_for_a_slow_disk),
    ];
    let roles: &[Named] =
        &[("holder", holder), ("sleeper", sleeper), ("stubborn", stubborn), ("writer", writer), ("slow", slow)];
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

/// Role: a sandbox with a layer so slow that whoever writes through it waits for ever.
fn slow() {
    let folder = std::path::PathBuf::from(std::env::var("EMU_TEST_FOLDER").expect("a folder"));
    let code = sandbox::run(|sandbox| {
        let below = folder.join("below");
        fs::create_dir(&below).expect("a folder");
        let layer = sandbox.layer(&folder.join("above"), &below).expect("a layer");
        layer.set(Trouble { delay: Duration::from_secs(3600), ..Trouble::default() }).expect("an order");
        let mut command = Command::new("/proc/self/exe");
        let writer = command.args(["writer", &mark()]).current_dir(folder.join("above")).stdin(Stdio::null()).spawn();
        std::mem::forget(writer.expect("a writer"));
        // It writes when the file is there, which is not held up.
        while !below.join("file").exists() {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(50));
        say(&format!("1 0 {}", sandbox.rootless()));
        interrupted(sandbox);
        drop(layer);
        7
    });
    exit(code);
}

/// Role: writes to a file.
fn writer() {
    let _ = fs::write("file", "something");
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

/// Whether layers work here; says so if not.
fn has_layers() -> bool {
    let works = fs::OpenOptions::new().read(true).write(true).open("/dev/fuse").map(drop);
    if let Err(error) = &works {
        println!("skipped: /dev/fuse: {error}");
    }
    works.is_ok()
}

fn a_layer_shows_the_folder_below_whatever_is_done() {
    if !has_layers() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (above, below) = (folder.path().join("above"), folder.path().join("below"));
    fs::create_dir(&below).expect("a folder");
    let code = sandbox::run(|sandbox| {
        let layer = sandbox.layer(&above, &below).expect("a layer");
        let same = |name: &str| {
            let seen = fs::read(above.join(name)).expect("a file");
            assert!(seen == fs::read(below.join(name)).expect("a file"), "{name}");
            seen
        };
        // More than one request moves, and bytes of all kinds.
        let long: Vec<u8> = (0..700_001u32).map(|byte| (byte.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        fs::write(above.join("long"), &long).expect("a file");
        assert!(same("long") == long);
        let mut log = fs::OpenOptions::new().append(true).create(true).open(above.join("log")).expect("a log");
        for line in 0..50 {
            writeln!(log, "line {line}").and_then(|()| log.sync_data()).expect("a line");
        }
        assert_eq!(same("log").iter().filter(|byte| **byte == b'\n').count(), 50);
        log.set_len(10).expect("shorter");
        assert_eq!(same("log").len(), 10);
        fs::create_dir_all(above.join("a/b")).expect("folders");
        fs::write(above.join("a/b/file"), "deep").expect("a file");
        fs::rename(above.join("a"), above.join("c")).expect("another name");
        assert_eq!(same("c/b/file"), b"deep");
        fs::rename(above.join("c/b/file"), above.join("log")).expect("in place of another");
        assert_eq!(same("log"), b"deep");
        writeln!(log, "and more").expect("what is open stays so without a name");
        assert!(above.join("c/b").read_dir().expect("a folder").next().is_none());
        std::os::unix::fs::symlink("log", above.join("link")).expect("a link");
        assert_eq!(same("link"), b"deep");
        fs::hard_link(above.join("log"), above.join("twin")).expect("a second name");
        fs::remove_file(above.join("log")).expect("gone");
        assert!(!below.join("log").exists() && same("twin") == b"deep");
        for number in 0..3000 {
            fs::write(above.join("c").join(format!("file-{number}")), "").expect("a file");
        }
        assert_eq!(fs::read_dir(above.join("c")).expect("a folder").count(), 3001);
        fs::remove_dir_all(above.join("c")).expect("all of it");
        assert!(!below.join("c").exists());
        let rights = std::os::unix::fs::PermissionsExt::from_mode(0o640);
        fs::set_permissions(above.join("twin"), rights).expect("rights");
        assert_eq!(std::os::unix::fs::MetadataExt::mode(&fs::metadata(below.join("twin")).expect("it")) & 0o777, 0o640);
        // What changes below is seen at once.
        fs::write(below.join("twin"), "changed").expect("a file");
        assert_eq!(same("twin"), b"changed");
        let missing = fs::read(above.join("nothing")).expect_err("there is none");
        assert_eq!(missing.kind(), std::io::ErrorKind::NotFound);
        drop(log);
        layer.close().expect("it goes");
        u8::from(above.exists())
    });
    assert_eq!(code, Ok(0));
}

fn a_layer_delays_and_fails_what_it_is_told_to() {
    if !has_layers() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (above, below) = (folder.path().join("above"), folder.path().join("below"));
    fs::create_dir(&below).expect("a folder");
    let code = sandbox::run(|sandbox| {
        let layer = sandbox.layer(&above, &below).expect("a layer");
        let path = above.join("file");
        fs::write(&path, [7; 1000]).expect("a file");
        let failing = |operations: &[Access], share| Errors { share, operations: operations.to_vec(), seed: 3 };
        let told = |trouble: Trouble| {
            layer.set(trouble).expect("an order");
            // Orders are taken before what comes after them.
            let file = fs::OpenOptions::new().read(true).write(true).open(&path).expect("opening is no access");
            let read = std::os::unix::fs::FileExt::read_exact_at(&file, &mut [0; 1000], 0);
            let written = std::os::unix::fs::FileExt::write_all_at(&file, &[7; 1000], 0);
            [read, written, file.sync_all()].map(|done| done.err().and_then(|error| error.raw_os_error()))
        };
        let errors = |operations| told(Trouble { errors: vec![failing(operations, 1.0)], ..Trouble::default() });
        assert_eq!(errors(&[Access::Read]), [Some(5), None, None]);
        assert_eq!(errors(&[Access::Write]), [None, Some(5), None]);
        assert_eq!(errors(&[Access::Sync]), [None, None, Some(5)]);
        assert_eq!(errors(&[Access::Sync, Access::Read]), [Some(5), None, Some(5)]);
        layer.set(Trouble { errors: vec![failing(&[Access::Read], 0.3)], ..Trouble::default() }).expect("an order");
        let failed = (0..1000).filter(|_| fs::read(&path).is_err()).count();
        // Each reads twice: what there is, and that there is no more.
        assert!((430..590).contains(&failed), "{failed} of 1000 reads failed");
        let began = std::time::Instant::now();
        let delay = Duration::from_millis(20);
        assert_eq!(told(Trouble { delay, ..Trouble::default() }), [None; 3]);
        assert!(began.elapsed() >= 3 * delay);
        let began = std::time::Instant::now();
        let rate = planner::units::Rate::from_bits_per_second(100_000);
        assert_eq!(told(Trouble { rate: Some(rate), ..Trouble::default() }), [None; 3]);
        assert!(began.elapsed() >= Duration::from_millis(160), "2000 bytes at 100 kbit/s");
        assert_eq!(told(Trouble::default()), [None; 3]);
        layer.close().expect("it goes");
        0
    });
    assert_eq!(code, Ok(0));
}

fn kill_9_while_a_process_waits_for_a_slow_disk() {
    if !has_layers() {
        return;
    }
    for signal in [Signal::SIGKILL, Signal::SIGTERM] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut actor = Actor::start("slow", |command| _ = command.env("EMU_TEST_FOLDER", folder.path()));
        assert!(actor.line().starts_with("1 0 "));
        assert_eq!(actor.processes().len(), 3, "the command, the first process, one that writes");
        actor.signal(signal);
        assert_eq!(actor.code(), if signal == Signal::SIGKILL { None } else { Some(143) });
        nothing_is_left(&actor, folder.path(), &[]);
    }
}
