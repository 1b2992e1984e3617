//! What links did when they were tried before the load, as it is written down.

use std::time::Duration;

use planner::units::{Rate, duration};
use serde::{Deserialize, Serialize};

use crate::fabric::trial::Trial;

/// One direction, tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinkTrial {
    /// The sender's name.
    pub from: String,
    /// The receiver's.
    pub to: String,
    /// How many packets were sent.
    pub sent: u32,
    /// How many of them arrived.
    pub arrived: u32,
    /// How many of them may be lost, at least and at most, before it is doubted that the link loses what it is to lose; `None`: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub may_be_lost: Option<(u32, u32)>,
    /// What was asked of the delay and its jitter, together.
    #[serde(with = "duration")]
    pub asked_delay: Duration,
    /// By how much the delay may be another by chance: the jitter.
    #[serde(with = "duration")]
    pub jitter: Duration,
    /// The median delay of single packets, without their transmission, in milliseconds; `None`: none arrived.
    pub delay_ms: Option<f64>,
    /// How far the first and the third quartile of delays are apart, in milliseconds: asked, and seen. `None`: no jitter is asked for, or too few
    /// packets arrived to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread_ms: Option<(f64, f64)>,
    /// The rate that was asked for.
    pub asked_rate: Option<Rate>,
    /// The rate at which a train of full-size packets arrived; `None`: no rate, or a train is too short or was sent too slowly to tell.
    pub rate: Option<Rate>,
}

/// From this share on a rate or a delay is not what was asked.
pub const TOLERANCE: f64 = 0.1;
/// Delays may differ by so much whatever they are: threads have to wake up, and all links are tried at once.
const WAKE_UP: Duration = Duration::from_millis(2);
/// A spread of so few packets may be off by this share of what was asked.
const SPREAD: f64 = 0.5;

impl LinkTrial {
    /// A trial, with hosts' names instead of numbers.
    pub fn of(trial: Trial, names: &[String]) -> LinkTrial {
        let name = |host: usize| names.get(host).cloned().unwrap_or_default();
        LinkTrial {
            from: name(trial.direction.from),
            to: name(trial.direction.to),
            sent: trial.sent,
            arrived: trial.arrived,
            may_be_lost: Some(trial.may_be_lost.into_inner()),
            asked_delay: trial.shape.delay,
            jitter: trial.shape.jitter,
            delay_ms: trial.delay.map(|delay| delay.as_secs_f64() * 1e3),
            spread_ms: trial.spread.map(|(asked, seen)| (asked.as_secs_f64() * 1e3, seen.as_secs_f64() * 1e3)),
            asked_rate: trial.shape.rate,
            rate: trial.rate,
        }
    }

    /// By which share of what was asked the rate is too low (or too high, if negative), if that is more than what is tolerated.
    pub fn rate_off(&self) -> Option<f64> {
        let (asked, rate) = (self.asked_rate?, self.rate?);
        let off = 1.0 - rate.bits_per_second() as f64 / asked.bits_per_second().max(1) as f64;
        (off.abs() > TOLERANCE).then_some(off)
    }

    /// By how many seconds the delay is longer than asked (or shorter, if negative), if that is more than what is tolerated.
    pub fn delay_off(&self) -> Option<f64> {
        let off = self.delay_ms? / 1e3 - self.asked_delay.as_secs_f64();
        let tolerated = (WAKE_UP + self.jitter).as_secs_f64().max(TOLERANCE * self.asked_delay.as_secs_f64());
        (off.abs() > tolerated).then_some(off)
    }

    /// By how many seconds delays are spread further than asked (or less far, if negative), if that is more than what is tolerated.
    pub fn spread_off(&self) -> Option<f64> {
        let (asked, seen) = self.spread_ms?;
        let off = (seen - asked) / 1e3;
        (off.abs() > WAKE_UP.as_secs_f64().max(SPREAD * asked / 1e3)).then_some(off)
    }

    /// How many packets are missing, if chance doesn't make so few or so many of what is asked.
    pub fn lost(&self) -> Option<u32> {
        let (least, most) = self.may_be_lost?;
        let lost = self.sent.saturating_sub(self.arrived);
        (!(least..=most).contains(&lost)).then_some(lost)
    }

    /// Whether it is what was asked, as far as that could be tried.
    pub fn is_as_asked(&self) -> bool {
        self.rate_off().is_none() && self.delay_off().is_none() && self.spread_off().is_none() && self.lost().is_none()
    }

    /// What it is instead, in words.
    pub fn in_words(&self) -> String {
        let mut words = Vec::new();
        if let (Some(_), Some(asked), Some(rate)) = (self.rate_off(), self.asked_rate, self.rate) {
            words.push(format!("{rate} instead of {asked}"));
        }
        if let (Some(_), Some(delay)) = (self.delay_off(), self.delay_ms) {
            let asked = self.asked_delay.as_secs_f64() * 1e3;
            words.push(format!("{delay:.1} ms of delay instead of {asked:.1} ms"));
        }
        if let (Some(_), Some((asked, seen))) = (self.spread_off(), self.spread_ms) {
            words.push(format!("delays spread over {seen:.1} ms (quartiles) instead of {asked:.1} ms"));
        }
        if let (Some(lost), Some((least, most))) = (self.lost(), self.may_be_lost) {
            let bound = if lost > most { format!("at most {most}") } else { format!("at least {least}") };
            words.push(format!("{lost} of {} packets lost where {bound} should be", self.sent));
        }
        format!("from {} to {}: {}", self.from, self.to, words.join(", "))
    }
}

/// Those that are not what was asked, in words; `None` if all are.
pub fn amiss(trials: &[LinkTrial]) -> Option<String> {
    let mut off = trials.iter().filter(|trial| !trial.is_as_asked());
    let first = off.next()?.in_words();
    let more = match off.count() {
        0 => String::new(),
        more => format!(" (and {more} more of {} that were tried)", trials.len()),
    };
    Some(format!("a link was not what was asked when it was tried before the load, {first}{more}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_off_by_more_than_a_tenth_is_told() {
        let good = LinkTrial {
            from: "n1".into(),
            to: "n2".into(),
            sent: 40,
            arrived: 40,
            may_be_lost: Some((0, 4)),
            asked_delay: Duration::from_millis(20),
            jitter: Duration::ZERO,
            delay_ms: Some(20.3),
            spread_ms: None,
            asked_rate: Some(Rate::from_mbits_per_second(10.0)),
            rate: Some(Rate::from_mbits_per_second(9.8)),
        };
        assert!(good.is_as_asked());
        assert_eq!(amiss(std::slice::from_ref(&good)), None);
        let slow = LinkTrial { rate: Some(Rate::from_mbits_per_second(8.0)), ..good.clone() };
        let late = LinkTrial { delay_ms: Some(25.0), ..good.clone() };
        let leaky = LinkTrial { arrived: 30, ..good.clone() };
        let words = amiss(&[good.clone(), slow, late.clone(), leaky]).unwrap();
        assert!(words.contains("from n1 to n2: 8 Mbit/s instead of 10 Mbit/s (and 2 more of 4"), "{words}");
        let tight = LinkTrial { spread_ms: Some((6.0, 2.5)), jitter: Duration::from_millis(5), ..good.clone() };
        assert!(
            tight.in_words().contains("delays spread over 2.5 ms (quartiles) instead of 6.0 ms"),
            "{}",
            tight.in_words()
        );
        let kept = LinkTrial { may_be_lost: Some((4, 20)), ..good.clone() };
        assert!(kept.in_words().contains("0 of 40 packets lost where at least 4 should be"), "{}", kept.in_words());
        // Chance may do that.
        assert!(LinkTrial { jitter: Duration::from_millis(5), ..late }.is_as_asked());
        assert!(LinkTrial { arrived: 10, may_be_lost: Some((20, 40)), ..good.clone() }.is_as_asked());
    }
}
