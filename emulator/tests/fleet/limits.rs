//! What a node may use, and how that is taken away: memory, processors, storage.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

use crate::cluster::{Cluster, in_sandbox};
use crate::support::{PATIENCE, eventually};
use emulator::fault::damage::{Spoil, Spoiling};
use emulator::fleet::FleetError;
use emulator::record::event::ExitCause;
use emulator::sandbox::Defects;

pub fn a_node_that_needs_too_much_memory_is_told_from_one_that_was_killed() {
    in_sandbox(|sandbox, groups, folder| {
        if !groups.limits_memory() {
            println!("skipped: {:?}", groups.warnings());
            return;
        }
        let mut cluster = Cluster::new(sandbox, groups, folder);
        let [greedy, worker] = ["greedy", "worker"].map(|name| cluster.launch(name, None, 32));
        assert_eq!(cluster.exit(greedy), ExitCause::OutOfMemory);
        cluster.ready(worker);
        cluster.fleet.kill(worker).expect("killed");
        assert_eq!(cluster.exit(worker), ExitCause::Planned);
        assert!(cluster.teardown(PATIENCE).0.is_empty());
    });
}

/// Nanoseconds that a node's process has run.
pub fn cpu_time(cluster: &Cluster<'_>, node: usize) -> u64 {
    let pid = cluster.fleet.pid(node).expect("a process");
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).expect("statistics");
    text.split(' ').next().and_then(|time| time.parse().ok()).expect("a time")
}

pub fn a_cpu_limit_is_felt() {
    in_sandbox(|sandbox, groups, folder| {
        if !groups.limits_cpu() {
            println!("skipped: {:?}", groups.warnings());
            return;
        }
        let mut cluster = Cluster::new(sandbox, groups, folder);
        let spinner = cluster.launch("spinner", Some(0.1), 64);
        cluster.ready(spinner);
        let throttled = || {
            groups.folders().filter_map(|folder| fs::read_to_string(folder.join("spinner/cpu.stat")).ok()).any(|text| {
                text.lines().any(|line| line.strip_prefix("nr_throttled ").is_some_and(|count| count != "0"))
            })
        };
        eventually("it has to wait", throttled);
        cluster.fleet.kill(spinner).expect("killed");
        cluster.exit(spinner);
        assert!(cluster.teardown(PATIENCE).0.is_empty());
    });
}

pub fn a_node_that_is_starved_ends_by_the_kernel_and_comes_back_fed() {
    in_sandbox(|sandbox, groups, folder| {
        if !groups.limits_memory() {
            println!("skipped: {:?}", groups.warnings());
            return;
        }
        let mut cluster = Cluster::new(sandbox, groups, folder);
        let [worker, other] = ["worker1", "worker2"].map(|name| cluster.launch(name, None, 64));
        for round in 0..3 {
            cluster.ready(worker);
            cluster.fleet.starve(worker).expect("starved");
            assert_eq!(cluster.exit(worker), ExitCause::Starved, "round {round}");
            cluster.fleet.restart(worker).expect("a new process");
        }
        cluster.ready(worker);
        // Killed before the kernel has ended it, or after: both are known.
        cluster.fleet.starve(worker).expect("starved");
        cluster.fleet.kill(worker).expect("killed");
        assert!(matches!(cluster.exit(worker), ExitCause::Planned));
        cluster.ready(other);
        let (errors, exits) = cluster.teardown(PATIENCE);
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(exits, [ExitCause::Asked], "the other one was not touched");
    });
}

pub fn processors_are_taken_away_and_given_back() {
    in_sandbox(|sandbox, groups, folder| {
        if !groups.limits_cpu() {
            println!("skipped: {:?}", groups.warnings());
            return;
        }
        let mut cluster = Cluster::new(sandbox, groups, folder);
        let [free, limited] =
            [None, Some(0.5)].map(|cpu| cluster.launch(["a", "b"][usize::from(cpu.is_some())], cpu, 64));
        let quota = |name: &str| {
            let read = |file: &str| {
                let mut found = groups.folders().map(|folder| fs::read_to_string(folder.join(name).join(file)));
                found.find_map(Result::ok).map(|text| text.trim().to_owned())
            };
            read("cpu.cfs_quota_us").or_else(|| read("cpu.max")?.split(' ').next().map(str::to_owned)).expect("a quota")
        };
        let unlimited = |quota: String| matches!(quota.as_str(), "-1" | "max");
        assert!(unlimited(quota("a")) && quota("b") == "5000");
        for node in [free, limited] {
            cluster.fleet.throttle(node, Some(0.2)).expect("throttled");
        }
        assert_eq!((quota("a"), quota("b")), ("2000".to_owned(), "2000".to_owned()));
        cluster.fleet.throttle(limited, Some(4.0)).expect("throttled");
        assert_eq!(quota("b"), "5000", "a fault leaves no more than the node's own limit");
        cluster.fleet.throttle(limited, Some(0.01)).expect("a period longer than others");
        for node in [free, limited] {
            cluster.fleet.throttle(node, None).expect("given back");
        }
        assert!(unlimited(quota("a")) && quota("b") == "5000");
        assert!(cluster.teardown(PATIENCE).0.is_empty());
    });
}

pub fn storage_fills_up_and_closes_and_opens_again() {
    in_sandbox(|sandbox, groups, folder| {
        let mut cluster = Cluster::new(sandbox, groups, folder);
        let worker = cluster.launch("worker", None, 64);
        cluster.ready(worker);
        let state = folder.join("worker/state");
        let write = |name: &str, size: usize| fs::write(state.join(name), vec![7; size]).map_err(|error| error.kind());
        write("before", 100_000).expect("there is room");
        for (full, read_only) in [(true, false), (true, true), (false, true)] {
            cluster.fleet.set_defects(worker, Defects { full, read_only }).expect("defects");
            let kind = if read_only { ErrorKind::ReadOnlyFilesystem } else { ErrorKind::StorageFull };
            assert_eq!(write("new", 1), Err(kind));
            assert_eq!(write("before", 200_000), Err(kind));
        }
        cluster.fleet.set_defects(worker, Defects::default()).expect("well again");
        write("after", 200_000).expect("there is room again");
        assert_eq!(write("too-much", 1 << 20), Err(ErrorKind::StorageFull), "as much as before");
        fs::remove_file(state.join("too-much")).expect("removed");

        // A file that is open for writing is what keeps it from being closed.
        let open = File::create(state.join("open")).expect("a file");
        let closed = Defects { read_only: true, ..Defects::default() };
        assert!(matches!(cluster.fleet.set_defects(worker, closed), Err(FleetError::State { .. })));
        drop(open);
        cluster.fleet.set_defects(worker, closed).expect("closed");
        assert!(cluster.teardown(PATIENCE).0.is_empty(), "it is no obstacle to teardown");
    });
}

pub fn what_a_node_has_stored_is_spoilt_as_told() {
    in_sandbox(|sandbox, groups, folder| {
        let mut cluster = Cluster::new(sandbox, groups, folder);
        let worker = cluster.launch("worker", None, 64);
        cluster.ready(worker);
        let state = folder.join("worker/state");
        fs::create_dir(state.join("models")).expect("a folder");
        let (large, small) = (state.join("models/large"), state.join("small"));
        let before = vec![0xAA_u8; 10_000];
        fs::write(&large, &before).expect("a file");
        fs::write(&small, "1234").expect("a file");
        let spoil = |file: Option<&str>, how| Spoil { file: file.map(str::to_owned), how };

        let flip = spoil(None, Spoiling::Flip { seed: u64::MAX - 5 });
        assert_eq!(cluster.fleet.spoil(worker, &flip).expect("spoilt"), Path::new("models/large"));
        let after = fs::read(&large).expect("a file");
        let bits: u32 = before.iter().zip(&after).map(|(a, b)| (a ^ b).count_ones()).sum();
        assert_eq!((after.len(), bits), (before.len(), 1));
        cluster.fleet.spoil(worker, &flip).expect("spoilt");
        assert_eq!(fs::read(&large).expect("a file"), before, "the same seed means the same bit");

        cluster.fleet.spoil(worker, &spoil(Some("small"), Spoiling::Cut { keep: 0.5 })).expect("spoilt");
        assert_eq!(fs::read_to_string(&small).expect("a file"), "12");
        std::os::unix::fs::symlink("/etc/passwd", state.join("link")).expect("a link");
        for name in ["nothing", "link", "models"] {
            let spoilt = cluster.fleet.spoil(worker, &spoil(Some(name), Spoiling::Cut { keep: 0.0 }));
            assert!(matches!(spoilt, Err(FleetError::File { .. })), "{name}");
        }
        fs::remove_dir_all(state.join("models")).expect("removed");
        fs::write(&small, "").expect("emptied");
        fs::write(state.join("written"), "").expect("emptied");
        assert!(matches!(cluster.fleet.spoil(worker, &flip), Err(FleetError::NothingStored { .. })));
        assert!(cluster.teardown(PATIENCE).0.is_empty());
    });
}
