//! Parcels on their way between nodes.
//!
//! A **line** is the connection from one node to another: what is put on it leaves in order, byte after byte, and
//! arrives a delay after its last byte has left. Lines that share a hop, or the air of a medium, share its time: at any
//! instant each gets as many bytes per second as every other, unless another hop of its own gives it less
//! (max-min fairness, what TCP's congestion control comes near to). Rates are found by raising all of them together
//! until something is full, then the rest of them on (*progressive filling*: Bertsekas and Gallager 1992, 6.5.2).
//!
//! While nothing passes one way or the other, a line stands still; when its path is whole again, it goes on at
//! TCP's next attempt: 200 ms after it came to stand, and after twice as long each time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::agenda::{Agenda, Due};
use crate::cluster::paths::Routes;
use crate::cluster::{Cluster, Path};
use crate::units::ByteSize;

/// Number of a line.
pub(super) type Line = usize;

/// TCP's first wait for an acknowledgement on a short path (Linux's `TCP_RTO_MIN`).
const FIRST_RETRY: Duration = Duration::from_millis(200);

/// A request's tensor on its way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Parcel {
    pub(super) request: u64,
    pub(super) epoch: u32,
    pub(super) chain: u16,
    pub(super) to: Place,
    pub(super) bytes: u64,
    /// What the stage behind it did with it.
    pub(super) work: Option<Work>,
}

/// Where a parcel goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// From the client to the dispatcher.
    Dispatcher,
    /// To the stage at this place of its chain.
    Stage(u16),
    /// From the last stage to the dispatcher.
    Collector,
    /// From the dispatcher to the client.
    Client,
}

/// A stage's work on a parcel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Work {
    pub(super) stage: usize,
    pub(super) received: Duration,
    pub(super) started: Duration,
    pub(super) finished: Duration,
}

#[derive(Debug)]
struct Hop {
    /// Seconds for each byte.
    per_byte: f64,
    delay: Duration,
    up: bool,
    /// What is full when it is busy all the time: itself, or the air that it shares.
    resource: usize,
}

#[derive(Debug)]
struct Track {
    from: usize,
    to: usize,
    hops: Vec<usize>,
    back: Vec<usize>,
    waiting: VecDeque<Parcel>,
    sending: Option<Sending>,
    /// Since when nothing passes.
    stalled: Option<Duration>,
    /// Counts changes of what is being sent and how fast.
    version: u32,
    /// Counts changes of whether anything passes.
    changes: u32,
}

#[derive(Debug)]
struct Sending {
    parcel: Parcel,
    left: f64,
    /// Bytes per second, since this instant.
    rate: f64,
    since: Duration,
}

/// Everything between the nodes.
#[derive(Debug)]
pub(super) struct Network<'a> {
    cluster: &'a Cluster,
    routes: Option<&'a Routes>,
    hops: Vec<Hop>,
    hop_of: BTreeMap<(usize, usize), usize>,
    tracks: Vec<Track>,
    line_of: BTreeMap<(usize, usize), Line>,
    airs: BTreeMap<usize, usize>,
    /// The lines that send over each resource.
    busy: Vec<Vec<Line>>,
    blocked: BTreeSet<(usize, usize)>,
    asleep: BTreeSet<usize>,
}

impl<'a> Network<'a> {
    pub(super) fn new(cluster: &'a Cluster, routes: Option<&'a Routes>) -> Network<'a> {
        Network {
            cluster,
            routes,
            hops: Vec::new(),
            hop_of: BTreeMap::new(),
            tracks: Vec::new(),
            line_of: BTreeMap::new(),
            airs: BTreeMap::new(),
            busy: Vec::new(),
            blocked: BTreeSet::new(),
            asleep: BTreeSet::new(),
        }
    }

    /// The line from one node to another.
    pub(super) fn line(&mut self, from: usize, to: usize, now: Duration) -> Line {
        if let Some(line) = self.line_of.get(&(from, to)) {
            return *line;
        }
        let (hops, back) = (self.way(from, to), self.way(to, from));
        let line = self.tracks.len();
        let (waiting, sending) = (VecDeque::new(), None);
        self.tracks.push(Track { from, to, hops, back, waiting, sending, stalled: None, version: 0, changes: 0 });
        self.line_of.insert((from, to), line);
        if !self.is_whole(line) {
            self.tracks[line].stalled = Some(now);
        }
        line
    }

    /// Whether what one node sends arrives at the other.
    pub(super) fn reaches(&mut self, from: usize, to: usize) -> bool {
        let way = self.way(from, to);
        self.is_open(from, to, &way)
    }

    /// The delay from one node to another.
    pub(super) fn delay(&mut self, from: usize, to: usize) -> Duration {
        let way = self.way(from, to);
        way.into_iter().map(|hop| self.hops[hop].delay).sum()
    }

    /// Puts a parcel on a line.
    pub(super) fn send(&mut self, line: Line, parcel: Parcel, now: Duration, agenda: &mut Agenda) {
        self.tracks[line].waiting.push_back(parcel);
        self.start(line, now, agenda);
    }

    /// What has left a line, if it is the line's word, and how long it is on its way from here.
    pub(super) fn left(
        &mut self,
        line: Line,
        version: u32,
        now: Duration,
        agenda: &mut Agenda,
    ) -> Option<(Parcel, Duration)> {
        if self.tracks[line].version != version {
            return None;
        }
        let sending = self.tracks[line].sending.take()?;
        self.release(line, now, agenda);
        self.start(line, now, agenda);
        let delay = self.tracks[line].hops.iter().map(|hop| self.hops[*hop].delay).sum();
        Some((sending.parcel, delay))
    }

    /// A stalled line goes on, if it has not stalled anew.
    pub(super) fn flows(&mut self, line: Line, changes: u32, now: Duration, agenda: &mut Agenda) {
        if self.tracks[line].changes == changes {
            self.tracks[line].stalled = None;
            self.settle(line, now, agenda);
            self.start(line, now, agenda);
        }
    }

    /// Throws away what is on the lines and should not be.
    pub(super) fn purge(&mut self, goes: impl Fn(&Parcel, usize, usize) -> bool, now: Duration, agenda: &mut Agenda) {
        for line in 0..self.tracks.len() {
            let track = &mut self.tracks[line];
            let (from, to) = (track.from, track.to);
            track.waiting.retain(|parcel| !goes(parcel, from, to));
            if track.sending.as_ref().is_some_and(|sending| goes(&sending.parcel, from, to)) {
                track.sending = None;
                track.version += 1;
                self.release(line, now, agenda);
                self.start(line, now, agenda);
            }
        }
    }

    /// Gives the direction between two neighbours a rate and a delay; nothing passes one that is not `up`.
    pub(super) fn reshape(&mut self, from: usize, to: usize, path: Path, up: bool, now: Duration, agenda: &mut Agenda) {
        let hop = self.hop(from, to, path);
        let hop = &mut self.hops[hop];
        (hop.per_byte, hop.delay, hop.up) = (per_byte(path), path.delay, up);
        self.changed(now, agenda);
    }

    /// Lets what one node sends to another vanish, or not.
    pub(super) fn block(&mut self, from: usize, to: usize, blocked: bool, now: Duration, agenda: &mut Agenda) {
        if blocked {
            self.blocked.insert((from, to));
        } else {
            self.blocked.remove(&(from, to));
        }
        self.changed(now, agenda);
    }

    /// A node's process stands still, or goes on: it sends nothing.
    pub(super) fn sleep(&mut self, node: usize, asleep: bool, now: Duration, agenda: &mut Agenda) {
        if asleep {
            self.asleep.insert(node);
        } else {
            self.asleep.remove(&node);
        }
        self.changed(now, agenda);
    }

    fn changed(&mut self, now: Duration, agenda: &mut Agenda) {
        for line in 0..self.tracks.len() {
            let whole = self.is_whole(line);
            let track = &mut self.tracks[line];
            match track.stalled {
                None if !whole => {
                    track.stalled = Some(now);
                    self.settle(line, now, agenda);
                }
                None => self.settle(line, now, agenda),
                Some(since) if whole => {
                    track.changes += 1;
                    let changes = track.changes;
                    let at = if track.sending.is_some() { next_try(since, now) } else { now };
                    agenda.put(at, Due::Flows { line, changes });
                }
                Some(_) => track.changes += 1,
            }
        }
    }

    fn is_whole(&self, line: Line) -> bool {
        let track = &self.tracks[line];
        !self.asleep.contains(&track.from)
            && self.is_open(track.from, track.to, &track.hops)
            && self.is_open(track.to, track.from, &track.back)
    }

    fn is_open(&self, from: usize, to: usize, way: &[usize]) -> bool {
        (from == to || !way.is_empty())
            && way.iter().all(|hop| self.hops[*hop].up)
            && !self.blocked.contains(&(from, to))
    }

    /// The hops from one node to another; none where no way leads.
    fn way(&mut self, from: usize, to: usize) -> Vec<usize> {
        if from == to {
            return Vec::new();
        }
        let way = self.routes.and_then(|routes| Some((routes, routes.way(from, to)?)));
        let Some((routes, way)) = way else {
            let path = self.cluster.path(from, to);
            return path.map(|path| self.hop(from, to, path)).into_iter().collect();
        };
        let pairs = way.windows(2).filter_map(|pair| Some((pair[0], pair[1], routes.hop(pair[0], pair[1])?)));
        pairs.collect::<Vec<_>>().into_iter().map(|(from, to, path)| self.hop(from, to, path)).collect()
    }

    fn hop(&mut self, from: usize, to: usize, path: Path) -> usize {
        if let Some(hop) = self.hop_of.get(&(from, to)) {
            return *hop;
        }
        let fresh = self.busy.len();
        let resource = path.air.map_or(fresh, |air| *self.airs.entry(air).or_insert(fresh));
        if resource == fresh {
            self.busy.push(Vec::new());
        }
        let hop = self.hops.len();
        self.hops.push(Hop { per_byte: per_byte(path), delay: path.delay, up: true, resource });
        self.hop_of.insert((from, to), hop);
        hop
    }

    /// Sends the next parcel, if none is being sent.
    fn start(&mut self, line: Line, now: Duration, agenda: &mut Agenda) {
        let track = &mut self.tracks[line];
        if track.sending.is_some() {
            return;
        }
        let Some(parcel) = track.waiting.pop_front() else { return };
        track.sending = Some(Sending { parcel, left: parcel.bytes as f64, rate: 0.0, since: now });
        for hop in &self.tracks[line].hops {
            let resource = self.hops[*hop].resource;
            if !self.busy[resource].contains(&line) {
                self.busy[resource].push(line);
            }
        }
        self.settle(line, now, agenda);
    }

    /// A line sends no more: others can go faster.
    fn release(&mut self, line: Line, now: Duration, agenda: &mut Agenda) {
        let mut others = BTreeSet::new();
        for hop in &self.tracks[line].hops {
            let busy = &mut self.busy[self.hops[*hop].resource];
            busy.retain(|other| *other != line);
            others.extend(busy.first().copied());
        }
        for other in others {
            self.settle(other, now, agenda);
        }
    }

    /// Finds the rates of this line and of all that it shares something with, directly or not.
    fn settle(&mut self, line: Line, now: Duration, agenda: &mut Agenda) {
        if self.tracks[line].sending.is_none() {
            return;
        }
        let (lines, resources) = self.neighbourhood(line);
        let mut rates = vec![f64::INFINITY; lines.len()];
        let mut open: Vec<bool> = lines.iter().map(|line| self.tracks[*line].stalled.is_none()).collect();
        let use_of = |line: Line, resource: usize| -> f64 {
            let hops = self.tracks[line].hops.iter().map(|hop| &self.hops[*hop]);
            hops.filter(|hop| hop.resource == resource).map(|hop| hop.per_byte).sum()
        };
        let uses: Vec<Vec<f64>> =
            resources.iter().map(|resource| lines.iter().map(|line| use_of(*line, *resource)).collect()).collect();
        let mut room = vec![1.0f64; resources.len()];
        rates.iter_mut().zip(&open).filter(|(_, open)| !**open).for_each(|(rate, _)| *rate = 0.0);
        loop {
            let needs =
                |index: usize| -> f64 { uses[index].iter().zip(&open).filter(|(_, o)| **o).map(|(u, _)| u).sum() };
            let full = (0..resources.len())
                .filter(|index| needs(*index) > 0.0)
                .map(|index| (room[index].max(0.0) / needs(index), index))
                .min_by(|a, b| a.0.total_cmp(&b.0));
            let Some((rate, full)) = full else { break };
            for place in 0..lines.len() {
                if open[place] && uses[full][place] > 0.0 {
                    (open[place], rates[place]) = (false, rate);
                    room.iter_mut().zip(&uses).for_each(|(room, uses)| *room -= rate * uses[place]);
                }
            }
        }
        for (line, rate) in lines.into_iter().zip(rates) {
            self.go_at(line, rate, now, agenda);
        }
    }

    fn go_at(&mut self, line: Line, rate: f64, now: Duration, agenda: &mut Agenda) {
        let track = &mut self.tracks[line];
        let Some(sending) = &mut track.sending else { return };
        if sending.rate == rate && rate > 0.0 {
            return;
        }
        let gone = sending.rate * (now - sending.since).as_secs_f64();
        // A rate without limit leaves nothing, and no time times it is no number.
        sending.left = if gone.is_finite() { (sending.left - gone).max(0.0) } else { 0.0 };
        (sending.rate, sending.since) = (rate, now);
        track.version += 1;
        if rate > 0.0 {
            let time = Duration::try_from_secs_f64(sending.left / rate).unwrap_or(Duration::MAX);
            agenda.put(now.saturating_add(time), Due::Left { line, version: track.version });
        }
    }

    /// The lines that share something with this one, over however many others, and what they share.
    fn neighbourhood(&self, line: Line) -> (Vec<Line>, Vec<usize>) {
        let (mut lines, mut resources) = (vec![line], Vec::new());
        let mut next = 0;
        while let Some(&line) = lines.get(next) {
            next += 1;
            for hop in &self.tracks[line].hops {
                let resource = self.hops[*hop].resource;
                if resources.contains(&resource) {
                    continue;
                }
                resources.push(resource);
                for other in &self.busy[resource] {
                    if !lines.contains(other) {
                        lines.push(*other);
                    }
                }
            }
        }
        (lines, resources)
    }
}

/// When TCP tries again, given that nothing has passed since an instant and the path is whole from now on.
pub(super) fn next_try(since: Duration, now: Duration) -> Duration {
    let (mut wait, mut at) = (FIRST_RETRY, since + FIRST_RETRY);
    while at < now {
        wait *= 2;
        at += wait;
    }
    at
}

fn per_byte(path: Path) -> f64 {
    const MANY: u64 = 1 << 30;
    path.occupancy(ByteSize::from_bytes(MANY)).as_secs_f64() / MANY as f64
}
