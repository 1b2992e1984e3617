//! Recorded rates, from files.
//!
//! A [mahimahi](http://mahimahi.mit.edu) trace has a line for each packet that could leave: the millisecond at which.
//! Its packets have 1504 bytes, those of links here 1514 on the wire; one is taken for the other. It is summed up in
//! bins of 100 ms and begins anew at its last instant. A CSV has lines of `seconds,rate`, after a header if it likes.

use std::time::Duration;

use planner::units::Rate;

use super::Files;
use crate::scenario::RateStep;
use crate::scenario::error::Problem;
use crate::scenario::network::Shape;
use crate::scenario::resolve::mistake::Mistake;
use crate::scenario::source::Place;

/// Rates, in order of time, and when they begin anew.
pub type Record = (Vec<RateStep>, Option<Duration>);

/// Over how many milliseconds the packets of a mahimahi trace are summed up.
const BIN: u64 = 100;
/// Longest trace: a day.
const LONGEST: u64 = 86_400_000;

/// A line of a record that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    /// Nothing to follow.
    #[error("this trace is empty")]
    Empty,
    /// A line that is none of such a file.
    #[error("line {line} is not {expected}")]
    NotALine {
        /// Which, from one.
        line: usize,
        /// What it should be.
        expected: &'static str,
    },
    /// Time that goes backwards.
    #[error("line {line} comes before the one above it")]
    Backwards {
        /// Which, from one.
        line: usize,
    },
}

const PACKET: &str = "a whole number of milliseconds, of a day at most";
const RATE: &str = "a time in seconds and a rate, such as `2.5,10 Mbit/s` (or `2.5,0` where nothing passes)";

/// Reads a record. What is wrong with it is noted.
pub fn read(name: &str, place: Place, files: &mut Files<'_>, problems: &mut Vec<Problem>) -> Option<Record> {
    let path = files.folder.join(name);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            let mistake = Mistake::NoFile { path: path.display().to_string(), reason: error.to_string() };
            problems.push(Problem::new(mistake.into(), place));
            return None;
        }
    };
    match parse(&text) {
        Ok(record) => {
            files.sources.keep(name, &text);
            Some(record)
        }
        Err(error) => {
            let base = files.sources.add(&path.display().to_string(), &text);
            let number = match error {
                TraceError::Empty => 1,
                TraceError::NotALine { line, .. } | TraceError::Backwards { line } => line,
            };
            let start: usize = text.split_inclusive('\n').take(number - 1).map(str::len).sum();
            let length = text.split_inclusive('\n').nth(number - 1).map_or(0, |line| line.trim_end().len());
            problems.push(Problem::new(Mistake::Trace(error).into(), Place::new(base, start..start + length)));
            None
        }
    }
}

/// Reads a record that stands in the scenario, `;` between its lines.
pub fn inline(text: &str, place: Place, problems: &mut Vec<Problem>) -> Option<Record> {
    let record = parse(&text.replace(';', "\n"));
    record.map_err(|error| problems.push(Problem::new(Mistake::Trace(error).into(), place))).ok()
}

fn parse(text: &str) -> Result<Record, TraceError> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    let lines: Vec<(usize, &str)> = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).collect();
    let (_, first) = *lines.first().ok_or(TraceError::Empty)?;
    if first.contains(',') { csv(&lines) } else { mahimahi(&lines) }
}

fn mahimahi(lines: &[(usize, &str)]) -> Result<Record, TraceError> {
    let mut bins: Vec<u64> = Vec::new();
    let mut last = 0;
    for &(line, text) in lines {
        let at = text.parse::<u64>().ok().filter(|at| *at <= LONGEST);
        let at = at.ok_or(TraceError::NotALine { line, expected: PACKET })?;
        if at < last {
            return Err(TraceError::Backwards { line });
        }
        last = at;
        // The packet of an instant has been on its way before it: that of the last belongs to the last bin.
        let bin = (at.saturating_sub(1) / BIN) as usize;
        bins.resize(bins.len().max(bin + 1), 0);
        bins[bin] += 1;
    }
    let period = last.max(1);
    let rates = bins.iter().enumerate().map(|(index, packets)| {
        let begin = index as u64 * BIN;
        let millis = BIN.min(period - begin.min(period - 1));
        let bits = packets * Shape::PACKET * 8 * 1000 / millis;
        (Duration::from_millis(begin), (bits > 0).then(|| Rate::from_bits_per_second(bits)))
    });
    Ok((changes(rates), Some(Duration::from_millis(period))))
}

fn csv(lines: &[(usize, &str)]) -> Result<Record, TraceError> {
    let mut rates = Vec::new();
    for (index, &(line, text)) in lines.iter().enumerate() {
        match value(text) {
            Some((after, _)) if rates.last().is_some_and(|(last, _)| after < *last) => {
                return Err(TraceError::Backwards { line });
            }
            Some(value) => rates.push(value),
            // A header says what is below it.
            None if index == 0 && !text.starts_with(|first: char| first.is_ascii_digit()) => {}
            None => return Err(TraceError::NotALine { line, expected: RATE }),
        }
    }
    match rates.first_mut() {
        None => return Err(TraceError::Empty),
        // Whatever the first instant is called, a fault begins with it.
        Some((after, _)) => {
            let zero = *after;
            rates.iter_mut().for_each(|(after, _)| *after -= zero);
        }
    }
    Ok((changes(rates.into_iter()), None))
}

fn value(text: &str) -> Option<(Duration, Option<Rate>)> {
    let (seconds, rate) = text.split_once(',')?;
    let seconds = seconds.trim().parse::<f64>().ok().filter(|seconds| (0.0..=86_400.0).contains(seconds))?;
    let rate = match rate.trim().trim_matches('"') {
        "0" => None,
        rate => Some(rate.parse().ok()?),
    };
    Some((Duration::from_secs_f64(seconds), rate))
}

/// Without what changes nothing; of several at one instant, the last.
fn changes(rates: impl Iterator<Item = (Duration, Option<Rate>)>) -> Vec<RateStep> {
    let mut steps: Vec<RateStep> = Vec::new();
    for (after, rate) in rates {
        if steps.last().is_some_and(|last| last.after == after) {
            steps.pop();
        }
        if steps.last().is_none_or(|last| last.rate != rate) {
            steps.push(RateStep { after, rate });
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told((steps, period): Record) -> (Vec<(u128, String)>, Option<u128>) {
        let rate = |rate: Option<Rate>| rate.map_or("nothing".to_owned(), |rate| rate.to_string());
        let steps = steps.into_iter().map(|step| (step.after.as_millis(), rate(step.rate))).collect();
        (steps, period.map(|period| period.as_millis()))
    }

    #[test]
    fn the_packets_of_a_mahimahi_trace_become_a_rate_in_each_tenth_of_a_second() {
        // A packet each millisecond, then a pause, then one every ten.
        let times = (1..=200).chain((410..=500).step_by(10));
        let text: String = times.map(|time| format!("{time}\n")).collect();
        let (steps, period) = told(parse(&text).unwrap());
        let rates = [(0, "12.112 Mbit/s"), (200, "nothing"), (400, "1.2112 Mbit/s")];
        assert_eq!(steps, rates.map(|(at, rate)| (at, rate.to_owned())));
        assert_eq!(period, Some(500));
        assert_eq!(told(parse("0\n").unwrap()).1, Some(1));
    }

    #[test]
    fn a_csv_has_times_and_rates_and_maybe_a_header() {
        let (steps, period) =
            told(parse("seconds,rate\n10,5 Mbit/s\n10.5,\"1 Mbit/s\"\n# gone\n12,0\n12.5,0\n").unwrap());
        let rates = [(0, "5 Mbit/s"), (500, "1 Mbit/s"), (2000, "nothing")];
        assert_eq!((steps, period), (rates.map(|(at, rate)| (at, rate.to_owned())).to_vec(), None));
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (text, error) in [
            ("", TraceError::Empty),
            ("seconds,rate\n", TraceError::Empty),
            ("1\n2\nthree\n", TraceError::NotALine { line: 3, expected: PACKET }),
            ("1\n99999999999\n", TraceError::NotALine { line: 2, expected: PACKET }),
            ("5\n\n4\n", TraceError::Backwards { line: 3 }),
            ("0,1 Mbit/s\n1,fast\n", TraceError::NotALine { line: 2, expected: RATE }),
            ("0,5\n", TraceError::NotALine { line: 1, expected: RATE }),
            ("1,1 Mbit/s\n0,2 Mbit/s\n", TraceError::Backwards { line: 2 }),
        ] {
            assert_eq!(parse(text), Err(error), "{text:?}");
        }
    }
}
