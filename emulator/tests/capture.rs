//! `emu run --pcap`, its files read by Wireshark's `tshark`.

mod story;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use story::{User, shipped};

const PATIENCE: Duration = Duration::from_secs(180);
/// The fault's node comes back after a second, and little is expected.
const BRIEF: [&str; 4] = ["--set", "fault.0.for=1 s", "--set", "expect.completed=1"];

/// A frame, as `tshark` tells of it.
#[derive(Debug)]
struct Frame {
    at: f64,
    interface: String,
    /// 1: in, 2: out.
    way: u32,
    length: u64,
    from: String,
    to: String,
    comment: String,
}

/// Whether there is a `tshark`; says so if not.
fn is_readable() -> bool {
    let there = Command::new("tshark").arg("--version").output().is_ok_and(|output| output.status.success());
    if !there {
        println!("skipped: there is no tshark here (Debian's package tshark)");
    }
    there
}

/// What `tshark` prints, and whether it found nothing amiss.
fn tshark(file: &Path, arguments: &[&str]) -> (String, bool) {
    let output = Command::new("tshark").arg("-r").arg(file).args(arguments).env("LC_ALL", "C.UTF-8").output();
    let output = output.expect("tshark starts");
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.success())
}

#[track_caller]
fn frames(file: &Path, whole: bool) -> Vec<Frame> {
    const FIELDS: [&str; 7] = [
        "frame.time_epoch",
        "frame.interface_name",
        "frame.packet_flags_direction",
        "frame.len",
        "ip.src",
        "ip.dst",
        "frame.comment",
    ];
    let fields = FIELDS.iter().flat_map(|field| ["-e", *field]);
    // The first of several: an ICMP error has the addresses of the packet it tells of, too.
    let arguments: Vec<&str> = ["-n", "-T", "fields", "-E", "occurrence=f"].into_iter().chain(fields).collect();
    let (text, well) = tshark(file, &arguments);
    assert!(well || !whole, "tshark finds {} damaged", file.display());
    let frame = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [at, interface, way, length, from, to, comment] = fields[..] else { panic!("{line:?}") };
        let way = u32::from_str_radix(way.trim_start_matches("0x"), 16).unwrap_or_default();
        let (at, length) = (at.parse().expect("a time"), length.parse().expect("a length"));
        let [interface, from, to, comment] = [interface, from, to, comment].map(str::to_owned);
        Frame { at, interface, way, length, from, to, comment }
    };
    text.lines().map(frame).collect()
}

/// Instants of the record, by the event's name.
fn recorded(events: &str) -> BTreeMap<String, Vec<u64>> {
    let mut recorded: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for line in events.lines() {
        let entry: Value = serde_json::from_str(line).expect("an event");
        let name = entry["event"].as_str().expect("a name").to_owned();
        recorded.entry(name).or_default().push(entry["at"].as_u64().expect("an instant"));
    }
    recorded
}

#[test]
fn what_a_node_and_a_link_carried_and_when_it_was_broken_is_read_by_tshark() {
    let user = User::new();
    let scenario = shipped("quickstart");
    let asked = ["--pcap", "n01", "--pcap", "n01-n00", "--pcap", "n00-n01", "--pcap", "n01"];
    let run = user.run(&[&["run", scenario.as_str(), "--json"][..], &BRIEF, &asked].concat()).expect(0);
    let summary = run.json();
    let folder = user.path().join("results/quickstart/latest");

    // The run tells it, since that takes time of the same cores.
    let warnings: Vec<&str> = summary["warnings"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let told: Vec<_> = warnings.iter().filter(|warning| warning.contains("packets were captured")).collect();
    let named = ["n01", "n01-n00", "n00-n01"].map(|name| format!(" in capture/{name}.pcapng"));
    assert!(told.len() == 1 && named.iter().all(|file| told[0].matches(file).count() == 1), "{warnings:#?}");
    if !is_readable() {
        return;
    }
    let events = user.read("results/quickstart/latest/events.jsonl");
    let of_node = frames(&folder.join("capture/n01.pcapng"), true);
    let (marks, packets): (Vec<&Frame>, Vec<&Frame>) = of_node.iter().partition(|frame| frame.interface == "emu");

    // Marks: at the instants of the record, the clocks' difference being the same for all; what happened in between is between.
    let recorded = recorded(&events);
    let mark = |text: &str| {
        let found: Vec<_> = marks.iter().filter(|mark| mark.comment.starts_with(text)).collect();
        assert_eq!(found.len(), 1, "{text}: {marks:#?}");
        found[0]
    };
    let (began, fired) = (mark("load begins"), mark("fault 0 fires: kill n0"));
    let (effective, healed) = (mark("fault 0 has its effect"), mark("fault 0 is healed"));
    let at = |event: &str| recorded[event][0];
    let apart = |mark: &Frame, event: &str| mark.at - at(event) as f64 / 1e9;
    for (mark, event) in
        [(began, "load_started"), (fired, "fault_fired"), (effective, "fault_effective"), (healed, "fault_healed")]
    {
        assert!(mark.comment.ends_with(&format!("at {} in events.jsonl", at(event))), "{mark:?}");
        // Half a second of patience with whoever sets the clock meanwhile.
        assert!((apart(mark, event) - apart(began, "load_started")).abs() < 0.5, "{event}: {mark:?}");
    }
    let between =
        |from: &Frame, to: &Frame| packets.iter().filter(|packet| from.at < packet.at && packet.at < to.at).count();
    assert!(between(began, fired) > 100 && between(fired, healed) > 10, "{} packets", packets.len());

    // Packets: in order, but for what passed on two processors at once, from and to this node, as many bytes as the links have counted.
    let disordered = packets.windows(2).filter(|pair| pair[0].at > pair[1].at).count();
    assert!(disordered <= packets.len() / 100, "{disordered} of {} packets are out of order", packets.len());
    let own = "10.0.0.2";
    let strays: Vec<_> = packets
        .iter()
        .filter(|packet| packet.interface != "eth0" || own != if packet.way == 1 { &packet.to } else { &packet.from })
        .collect();
    assert!(strays.is_empty(), "{strays:#?}");
    let counted = |from: &str| traffic(&events, from, "n01");
    for (other, from) in [("n00", "10.0.0.1"), ("n03", "10.0.0.4")] {
        let captured: u64 =
            packets.iter().filter(|packet| packet.way == 1 && packet.from == from).map(|packet| packet.length).sum();
        let share = captured as f64 / counted(other) as f64;
        // Super-frames have one header where links count many, and links are read when load has ended.
        assert!((0.9..1.1).contains(&share), "{other}: {captured} captured, {} counted", counted(other));
    }

    // Both ends of a link: one's packets out are the other's packets in; nobody else's are there.
    let ends = ["n01-n00", "n00-n01"].map(|name| frames(&folder.join(format!("capture/{name}.pcapng")), true));
    let bytes = |end: &[Frame], way: u32| -> u64 {
        assert!(end.iter().all(|frame| frame.interface == "emu" || frame.interface == "eth0"));
        end.iter().filter(|frame| frame.way == way).map(|frame| frame.length).sum()
    };
    for (out, into) in [(0, 1), (1, 0)] {
        let (sent, received) = (bytes(&ends[out], 2) as f64, bytes(&ends[into], 1) as f64);
        assert!(sent > 0.0 && (sent / received - 1.0).abs() < 0.1, "{sent} sent, {received} received");
    }
    let strangers = ends.iter().flatten().filter(|frame| frame.way != 0);
    assert!(
        strangers.clone().all(|frame| [&frame.from, &frame.to].iter().all(|a| ["10.0.0.1", own].contains(&a.as_str())))
    );

    // A list of packets reads as what happened, by the nodes' names.
    let (list, _) = tshark(&folder.join("capture/n01.pcapng"), &["-N", "n"]);
    assert!(list.lines().any(|line| line.contains("fault 0 fires: kill n0")), "marks are in the list");
    assert!(list.lines().any(|line| line.contains("n00 → n01")), "addresses have names");
}

/// Bytes that the record has for a direction.
fn traffic(events: &str, from: &str, to: &str) -> u64 {
    let mut entries = events.lines().map(|line| serde_json::from_str::<Value>(line).expect("an event"));
    let of_way = |entry: &Value| entry["event"] == "traffic" && entry["from"] == from && entry["to"] == to;
    let found = entries.rfind(of_way).unwrap_or_else(|| panic!("nothing passed from {from} to {to}"));
    found["counters"]["bytes"].as_u64().expect("a number")
}

#[test]
fn an_ordinary_user_sees_each_packet_come_into_a_switch_and_go_out_again() {
    let user = User::unprivileged().unwrap_or_else(User::new);
    let scenario = user.write("story.toml", &fs::read_to_string(shipped("quickstart")).expect("a scenario"));
    let star =
        ["--set", "topology.kind=star", "--set", "fault=[]", "--set", "duration=2 s", "--set", "expect.completed=1"];
    let asked = ["--pcap", "hub", "--pcap", "hub-n02"];
    user.run(&[&["run", scenario.to_str().unwrap()][..], &star, &asked].concat()).expect(0);
    if !is_readable() {
        return;
    }
    let file = |name: &str| user.path().join(format!("results/quickstart/latest/capture/{name}.pcapng"));
    let of_hub = frames(&file("hub"), true);
    let passed: Vec<&Frame> = of_hub.iter().filter(|frame| frame.way != 0).collect();
    let interfaces: BTreeSet<&str> = passed.iter().map(|frame| frame.interface.as_str()).collect();
    assert_eq!(interfaces, BTreeSet::from(["eth0", "eth1", "eth2", "eth3", "eth4"]));
    let bytes = |way: u32| passed.iter().filter(|frame| frame.way == way).map(|frame| frame.length).sum::<u64>() as f64;
    assert!((bytes(1) / bytes(2) - 1.0).abs() < 0.1, "{} in, {} out", bytes(1), bytes(2));
    // One link of it is the part of that which passed its interface.
    let of_link = frames(&file("hub-n02"), true).into_iter().filter(|frame| frame.way != 0).count();
    let same = passed.iter().filter(|frame| frame.interface == "eth2").count();
    assert!(of_link > 100 && of_link.abs_diff(same) <= same / 100, "{of_link} of the link, {same} there");
}

#[test]
fn a_capture_of_a_run_that_is_killed_can_be_read() {
    let user = User::unprivileged().unwrap_or_else(User::new);
    let scenario = user.write("story.toml", &fs::read_to_string(shipped("quickstart")).expect("a scenario"));
    let arguments = ["run", scenario.to_str().unwrap(), "--set", "fault=[]", "--pcap", "n02"];
    let mut run = user.start(&arguments);
    let deadline = Instant::now() + PATIENCE;
    let partial = loop {
        assert!(run.try_wait().expect("a state").is_none(), "{}", user.read("stderr"));
        assert!(Instant::now() < deadline, "load has not begun:\n{}", user.read("stderr"));
        let begun = user.read("stderr").contains("load begins");
        let folders = fs::read_dir(user.path().join("results/quickstart")).into_iter().flatten().flatten();
        let mut captures = folders.map(|folder| folder.path().join("capture/n02.pcapng"));
        if let Some(file) = captures.find(|file| begun && file.metadata().is_ok_and(|file| file.len() > 100_000)) {
            break file;
        }
        thread::sleep(Duration::from_millis(20));
    };
    kill(Pid::from_raw(run.id() as i32), Signal::SIGKILL).expect("it can be killed");
    run.wait().expect("an end");
    if is_readable() {
        // The last block may be cut off, which it says.
        assert!(frames(&partial, false).len() > 50);
    }
}

#[test]
fn a_node_or_link_that_there_is_not_is_refused_with_those_there_are() {
    let user = User::new();
    let scenario = shipped("quickstart");
    let refused = user.run(&["run", scenario.as_str(), "--pcap", "n99"]).expect(2).stderr;
    assert!(refused.contains("n99") && refused.contains("n00, n01, n02, n03, n04"), "{refused}");
    user.run(&["run", scenario.as_str(), "--pcap", "n01-n01"]).expect(2);
    assert!(!user.path().join("results").exists(), "nothing was begun");
}
