//! Whatever happens to `emu`, nothing stays behind.

mod story;

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;
use story::{User, nothing_lost_twice_or_wrong, processes_with, shipped};

/// What a host is seen to hold: interfaces, mounts, processes of this run.
fn seen(user: &User) -> (BTreeSet<String>, BTreeSet<String>, Vec<i32>) {
    let interfaces = fs::read_dir("/sys/class/net").expect("interfaces");
    let interfaces = interfaces.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let mounts = fs::read_to_string("/proc/self/mounts").expect("mounts");
    let folder = user.path().to_string_lossy().into_owned();
    (interfaces, mounts.lines().map(str::to_owned).collect(), processes_with(&folder))
}

#[test]
fn kill_9_at_twenty_random_instants_leaves_nothing() {
    let seed = 20;
    println!("seed {seed}");
    let mut random = Pcg64::seed_from_u64(seed);
    let user = User::new();
    // The model is in the cache afterwards, so that the instants fall into every phase of a run.
    user.run(&["run", &shipped("quickstart")]).expect(0);
    let before = seen(&user);
    for instant in 0..20 {
        let results = user.path().join(format!("results-{instant}"));
        let mut run = user.start(&["run", &shipped("quickstart"), "--results", &results.to_string_lossy()]);
        let wait = Duration::from_millis(u64::from(random.next_u32() % 6000));
        std::thread::sleep(wait);
        kill(Pid::from_raw(run.id() as i32), Signal::SIGKILL).expect("emu can be killed");
        run.wait().expect("emu ends");
        let patience = std::time::Instant::now() + Duration::from_secs(5);
        while seen(&user) != before {
            let left = seen(&user);
            assert!(std::time::Instant::now() < patience, "after {wait:?} there is left: {left:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    // A process that is dying is no longer to be seen by its command line, but for some milliseconds still holds
    // what it had open; while it does, its run counts as alive.
    let patience = std::time::Instant::now() + Duration::from_secs(5);
    while !stale_cgroups().is_empty() {
        assert!(std::time::Instant::now() < patience, "groups stay: {:?}", stale_cgroups());
        user.run(&["doctor"]);
    }
}

/// Control groups of runs whose owner is dead.
fn stale_cgroups() -> Vec<String> {
    let roots = ["/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/freezer"];
    let groups = roots.iter().flat_map(|root| fs::read_dir(root).into_iter().flatten().flatten());
    let names = groups.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let owner = |name: &str| name.strip_prefix("emu-").and_then(|rest| rest.split('-').next()).map(str::to_owned);
    names.filter(|name| owner(name).is_some_and(|pid| !fs::exists(format!("/proc/{pid}")).unwrap_or(true))).collect()
}

#[test]
fn three_runs_side_by_side_one_of_them_unprivileged_do_not_disturb_each_other() {
    let first = User::new();
    first.run(&["run", &shipped("quickstart")]).expect(0);
    let second = User::new();
    let third = User::unprivileged().unwrap_or_else(|| {
        println!("not root: the third user is an ordinary one like the others");
        User::new()
    });
    let users = [first, second, third];
    let scenario = users[2].write("quickstart.toml", &fs::read_to_string(shipped("quickstart")).expect("a scenario"));
    let scenario = scenario.to_string_lossy().into_owned();
    let runs: Vec<_> = users.iter().map(|user| user.start(&["run", &scenario, "--json"])).collect();
    for (user, mut run) in users.iter().zip(runs) {
        assert_eq!(run.wait().expect("emu ends").code(), Some(0), "{}", user.read("stderr"));
        nothing_lost_twice_or_wrong(&serde_json::from_str(&user.read("stdout")).expect("a summary"));
    }
}
