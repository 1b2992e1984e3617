//! The emulator measures itself. How well it does is for people to read; that there are figures, and sound ones, is for tests.

mod story;

use serde_json::Value;
use story::User;

#[test]
fn links_are_measured_against_what_was_asked() {
    let user = User::new();
    let figures = user.run(&["bench", "links", "--seconds", "1", "--json"]).expect(0).json();
    let links = figures["links"].as_array().expect("links");
    assert_eq!(links.len(), 4);
    let sound = |of: &Value, key: &str, range: std::ops::Range<f64>| {
        let value = of[key].as_f64();
        assert!(value.is_some_and(|value| range.contains(&value)), "{key} is not within {range:?}: {of:#}");
    };
    for link in links {
        // A busy host may carry less than was asked, but no link more than its rate and what its queue held.
        sound(link, "ratio", 0.05..1.1);
        for of in ["rtt_error", "bare_rtt", "wake_up"] {
            sound(&link[of], "p50_us", 0.0..1e6);
        }
        for of in ["rtt_error", "bare_rtt"] {
            sound(&link[of], "trips", 1.0..1e6);
            leaves_out_only_stalled_trips(&link[of]);
        }
        assert!(["software", "netem"].contains(&link["carrier"].as_str().expect("a carrier")), "{link:#}");
    }
    for hub in ["hub", "hub_busy"] {
        sound(&figures[hub], "ratio_mean", 0.05..1.1);
        leaves_out_only_stalled_trips(&figures[hub]["rtt_error"]);
    }
    let unshaped = &figures["unshaped"];
    for carried in [unshaped, &unshaped["bare"]] {
        sound(carried, "tcp_mbits", 1.0..1e6);
        sound(carried, "tcp_packets_mbits", 1.0..1e6);
        sound(carried, "datagrams_per_s", 1.0..1e8);
    }
}

/// Who may have no real-time priority can't see stalls; a busy host may stall in each of a few trips.
fn leaves_out_only_stalled_trips(trips: &Value) {
    let watched = &trips["watched"];
    if !watched.is_null() {
        let share = watched["stalled_share"].as_f64().expect("a share");
        assert!((0.0..=1.0).contains(&share) && watched["clear_p99_us"].is_f64() == (share < 1.0), "{trips:#}");
    }
}

#[test]
fn set_up_is_measured_and_nothing_of_it_is_left() {
    let user = User::new();
    let said = user.run(&["bench", "setup", "--nodes", "3,6", "--rounds", "1"]).expect(0).stdout;
    let rows: Vec<Vec<&str>> = said.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows.iter().map(|row| row[0]).collect::<Vec<_>>(), ["3", "6"], "{said}");
    assert!(rows.iter().all(|row| row[2].parse::<f64>().is_ok_and(|millis| millis > 0.0)), "{said}");
    assert!(user.run(&["bench", "setup", "--nodes", "1"]).expect(2).stderr.contains("2..=1000"));
}
