//! Disks that fill up, fail, are slow or damaged: under the dispatcher's journal and under the model's file of workers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::story::{User, nothing_lost_twice_or_wrong};
use crate::{Run, SCENARIO, emu, has};

#[test]
fn state_folders_fill_up_and_become_read_only_and_are_well_again() {
    let user = User::new();
    let fault =
        |kind: &str, at: u32| format!("{{ kind = \"{kind}\", target = \"n02\", at = \"{at} ms\", for = \"1 s\" }}");
    let run = Run::of(&user, &[fault("disk-full", 800), fault("read-only", 1200)].join(", "));
    assert_eq!((run.ends().len(), run.starts()), (0, 1), "a worker stores nothing");
}

#[test]
fn a_file_that_nobody_has_stored_can_not_be_spoilt_and_the_run_says_so() {
    let user = User::new();
    let fault = |kind: &str, keys: &str| format!("{{ kind = \"{kind}\", target = \"n02\", at = \"1 s\"{keys} }}");
    let faults = [fault("bit-flip", ""), fault("truncate", ", file = \"no-such-file\"")].join(", ");
    let summary = emu(&user, "run", &faults).expect(0).json();
    nothing_lost_twice_or_wrong(&summary);
    let failed = |index: usize| summary["faults"][index]["failed"].as_str().unwrap_or_default().to_owned();
    assert!(failed(0).contains("n02 has stored nothing"), "{}", failed(0));
    assert!(failed(1).contains("no-such-file"), "{}", failed(1));
}

#[test]
fn a_slow_disk_holds_promises_back_and_nothing_is_lost() {
    let user = User::new();
    if !has("fuse") {
        return;
    }
    let slow = "{ kind = \"slow\", target = \"n01\", at = \"1 s\", for = \"1500 ms\", delay = \"40 ms\", rate = \"40 Mbit/s\" }";
    let run = Run::of(&user, slow);
    let at = |event: &Value| event["at"].as_u64().expect("an instant");
    let [slow, well] = ["fault_effective", "fault_healed"].map(|name| at(run.events(name).next().expect("it")));
    let accepted: BTreeMap<u64, u64> =
        run.events("accepted").map(|event| (event["request"].as_u64().expect("a number"), at(event))).collect();
    let meanwhile = run.events("sent").filter(|event| (slow..well - 500_000_000).contains(&at(event)));
    let waits: Vec<u64> = meanwhile.map(|event| accepted[&event["request"].as_u64().unwrap()] - at(event)).collect();
    // It is written, then synced.
    assert!(waits.len() > 4 && waits.iter().all(|wait| *wait >= 80_000_000), "{waits:?}");
    let warnings = run.summary["warnings"].to_string();
    assert!(!warnings.contains("journal"), "it is slow, and does not fail: {warnings}");
}

#[test]
fn a_journal_on_a_failing_disk_is_told_of_survives_a_crash_and_is_written_again() {
    let user = User::new();
    if !has("fuse") {
        return;
    }
    let fault = |kind: &str, at: u32, lasts: u32, keys: &str| {
        format!("{{ kind = \"{kind}\", target = \"n01\", at = \"{at} ms\", for = \"{lasts} ms\"{keys} }}")
    };
    // It fails in every way at once, then now and then, and the dispatcher dies in the middle of it.
    let faults = [fault("eio", 500, 1500, ""), fault("kill", 1000, 200, ""), fault("eio", 1800, 1200, ", share = 0.3")];
    let faults = format!("fault=[{}]", faults.join(", "));
    let outcome = user.run(&["run", SCENARIO, "--json", "--set", "duration=9 s", "--set", &faults]).expect(0);
    let run = Run::read(&user, outcome.json());
    nothing_lost_twice_or_wrong(&run.summary);
    let reason = run.events("journal_failed").next().and_then(|event| event["reason"].as_str()).expect("it is told");
    assert!(reason.contains("Input/output error"), "{reason}");
    assert!(run.events("journal_restored").count() > 0, "it is written again");
    assert_eq!(run.summary["requests"]["completed"], run.summary["requests"]["accepted"]);
}

#[test]
fn a_journal_on_a_disk_that_hangs_is_given_up_and_the_service_goes_on() {
    let user = User::new();
    if !has("fuse") {
        return;
    }
    let hangs = "fault=[{ kind = \"slow\", target = \"n01\", at = \"500 ms\", for = \"3600 ms\", delay = \"1 min\" }]";
    let outcome = user.run(&["run", SCENARIO, "--json", "--set", "duration=9500 ms", "--set", hangs]).expect(0);
    let run = Run::read(&user, outcome.json());
    nothing_lost_twice_or_wrong(&run.summary);
    let at = |event: &str| run.events(event).next().and_then(|event| event["at"].as_u64()).expect(event);
    let (failed, healed) = (at("journal_failed"), at("fault_healed"));
    let reason = run.events("journal_failed").next().and_then(|event| event["reason"].as_str()).expect("a reason");
    assert!(reason.contains("has not answered for 3 s"), "{reason}");
    let meanwhile = |event: &&Value| (failed..healed).contains(&event["at"].as_u64().expect("an instant"));
    assert!(run.events("completed").filter(meanwhile).count() > 10, "it goes on without the disk");
    assert!(at("journal_restored") > healed, "it is written again");
}

#[test]
fn a_worker_that_can_not_read_its_segment_gets_it_from_the_dispatcher_and_the_run_says_so() {
    let user = User::new();
    if !has("fuse") {
        return;
    }
    // Of the four workers one has a file that ends too soon, one a disk that fails, one a spoilt bit; and whoever holds
    // the first stage dies, again and again: so all of them have to load something.
    let faults = [
        "{ kind = \"truncate\", target = \"n02\", at = \"100 ms\", keep = 0.1 }",
        "{ kind = \"eio\", target = \"n03\", at = \"100 ms\", for = \"4 s\", operations = [\"read\"] }",
        "{ kind = \"slow\", target = \"n04\", at = \"100 ms\", for = \"4 s\", delay = \"1 ms\" }",
        "{ kind = \"bit-flip\", target = \"n05\", at = \"100 ms\", seed = 90000 }",
        "{ kind = \"kill\", target = \"stage:0\", at = \"500 ms\", for = \"300 ms\", every = \"700 ms\", times = 5 }",
    ];
    let faults = format!("fault=[{}]", faults.join(", "));
    let outcome = user.run(&["run", SCENARIO, "--json", "--set", "model.store=\"node\"", "--set", &faults]).expect(0);
    let run = Run::read(&user, outcome.json());
    nothing_lost_twice_or_wrong(&run.summary);
    let told: BTreeSet<&str> = run.events("segment_unreadable").filter_map(|event| event["on"].as_str()).collect();
    assert!(told.contains("n02") || told.contains("n03"), "{told:?}");
    let warnings = run.summary["warnings"].to_string();
    for node in told {
        assert!(warnings.contains(&format!("{node} could not read its part of the model")), "{warnings}");
    }
    // That they serve nevertheless, the record itself checks: every plan's stages compute on the nodes that it names.
    assert_eq!(run.summary["violations"], Value::Array(Vec::new()));
}

#[test]
fn a_model_that_does_not_fit_into_the_state_folders_is_refused_with_the_sizes() {
    let user = User::new();
    let arguments = ["run", SCENARIO, "--set", "model.store=\"node\"", "--set", "node.storage=\"64 KiB\""];
    let outcome = user.run(&arguments).expect(2);
    assert!(
        outcome.stderr.contains("the state folder of n02") && outcome.stderr.contains("fix:"),
        "{}",
        outcome.stderr
    );
    let unread = ["check", SCENARIO, "--set", "model.store=\"node\"", "--set", "model.deploy=\"network\""];
    let outcome = user.run(&unread).expect(2);
    assert!(outcome.stderr.contains("nobody would read the model"), "{}", outcome.stderr);
}
