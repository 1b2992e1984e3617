//! Gives a target one input after the other, and keeps what must not be.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

use crate::coverage::Seen;
use crate::lots::Lots;
use crate::mutate::mutate;
use crate::{Target, memory};

/// An input that takes the processor longer than this hangs.
const HANGS: Duration = Duration::from_secs(10);
/// And so does one that waits longer than this.
const WAITS: Duration = Duration::from_secs(60);
/// An input that takes longer than this is not changed further.
const SLOW: Duration = Duration::from_millis(50);
/// So many different findings are enough.
const ENOUGH: usize = 8;
/// Most inputs that are kept to be changed further.
const MOST: usize = 4096;

/// How a hunt is gone on.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What is drawn.
    pub seed: u64,
    /// For how long.
    pub time: Duration,
    /// Inputs that were found earlier: a folder for each target.
    pub corpus: PathBuf,
    /// Where findings, and the input that is being tried, are put.
    pub found: PathBuf,
    /// Whether it tells in between how it goes.
    pub tells: bool,
}

/// What came of a hunt.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Inputs that were tried.
    pub tried: u64,
    /// Inputs that were taken, not refused.
    pub taken: u64,
    /// Inputs that took a new edge.
    pub kept: usize,
    /// Edges taken; zero where they aren't counted.
    pub edges: usize,
    /// Most memory of any input, in bytes.
    pub most: usize,
    /// Processor time of the slowest input.
    pub slowest: Duration,
    /// What must not be: in words, and the file with the input.
    pub findings: Vec<(String, PathBuf)>,
}

/// What is being tried, for those who look from outside.
#[derive(Default)]
struct Current {
    since: Option<(Instant, Duration)>,
}

/// Hunts one target. A hang ends the process.
pub fn hunt(target: &dyn Target, plan: &Plan) -> Outcome {
    let mut hunt = Hunt::new(target, plan);
    let mut inputs = Inputs::default();
    for seed in target.seeds() {
        let Attempt { taken, .. } = hunt.attempt(&seed);
        inputs.add(seed, taken, MOST);
    }
    // Else nothing but refusals would be tried.
    assert!(hunt.outcome.taken > 0, "{} refuses all that it begins with", target.name());
    for input in kept(&plan.corpus.join(target.name())) {
        let Attempt { taken, .. } = hunt.attempt(&input);
        inputs.add(input, taken, MOST);
    }
    let mut lots = Lots::new(plan.seed);
    let end = Instant::now() + plan.time;
    let mut tell = Instant::now() + Duration::from_secs(30);
    while Instant::now() < end && hunt.outcome.findings.len() < ENOUGH {
        let mut input = inputs.choose(&mut lots).to_vec();
        let other = &inputs.all[lots.below(inputs.all.len())];
        mutate(&mut input, other, target.words(), target.longest(), &mut lots);
        if !lots.once_in(8) {
            target.mend(&mut input, &mut lots);
        }
        let Attempt { new, taken, slow } = hunt.attempt(&input);
        if new && !slow {
            hunt.outcome.kept += 1;
            inputs.add(input, taken, lots.below(MOST));
        }
        if plan.tells && Instant::now() >= tell {
            tell += Duration::from_secs(30);
            println!("{}", hunt.outcome.told(target));
        }
    }
    hunt.outcome
}

/// What an input came to.
struct Attempt {
    /// It took an edge that none had taken.
    new: bool,
    /// It was not refused.
    taken: bool,
    /// Others like it would take most of the time.
    slow: bool,
}

/// Inputs to be changed further.
#[derive(Default)]
struct Inputs {
    all: Vec<Vec<u8>>,
    /// Those that were taken, by their place.
    taken: Vec<usize>,
}

impl Inputs {
    /// Adds one; if there is no room, in place of the one at `instead`.
    fn add(&mut self, input: Vec<u8>, taken: bool, instead: usize) {
        let place = if self.all.len() < MOST { self.all.len() } else { instead.min(MOST - 1) };
        self.taken.retain(|other| *other != place);
        if taken {
            self.taken.push(place);
        }
        match self.all.get_mut(place) {
            Some(old) => *old = input,
            None => self.all.push(input),
        }
    }

    /// Half the time one that was taken, since behind what is refused nothing is reached; else any, or one of the newest.
    fn choose(&self, lots: &mut Lots) -> &[u8] {
        let count = self.all.len();
        let place = match lots.below(4) {
            0 | 1 if !self.taken.is_empty() => self.taken[lots.below(self.taken.len())],
            2 => count - 1 - lots.below(count.min(16)),
            _ => lots.below(count),
        };
        &self.all[place]
    }
}

impl Outcome {
    /// In a line.
    pub fn told(&self, target: &dyn Target) -> String {
        let Outcome { tried, taken, kept, edges, most, slowest, findings } = self;
        let (name, found) = (target.name(), findings.len());
        let edges =
            if *edges > 0 { format!("{edges} edges, {kept} inputs kept") } else { "edges not counted".to_owned() };
        let most = *most as f64 / 1_048_576.0;
        format!(
            "{name}: {tried} inputs, {taken} of them taken, {edges}, at most {most:.1} MiB and {slowest:.2?}, {found} findings"
        )
    }
}

struct Hunt<'a> {
    target: &'a dyn Target,
    found: &'a Path,
    trying: File,
    current: Arc<Mutex<Current>>,
    panicked: Arc<Mutex<Option<String>>>,
    seen: Seen,
    outcome: Outcome,
    told: BTreeSet<String>,
}

impl<'a> Hunt<'a> {
    fn new(target: &'a dyn Target, plan: &'a Plan) -> Hunt<'a> {
        let panicked: Arc<Mutex<Option<String>>> = Arc::default();
        let hook = panicked.clone();
        std::panic::set_hook(Box::new(move |info| {
            let mut panicked = hook.lock().unwrap_or_else(PoisonError::into_inner);
            panicked.get_or_insert_with(|| info.to_string().replace('\n', " "));
        }));
        // The folder is needed before anything is found: the input that ends the process must be there.
        fs::create_dir_all(&plan.found).unwrap_or_else(|error| panic!("{}: {error}", plan.found.display()));
        let trying = plan.found.join(format!("{}-trying", target.name()));
        let current: Arc<Mutex<Current>> = Arc::default();
        watch(&current, target.name(), &trying);
        let trying = File::create(&trying).unwrap_or_else(|error| panic!("{}: {error}", trying.display()));
        let (found, seen, outcome) = (&*plan.found, Seen::default(), Outcome::default());
        Hunt { target, found, trying, current, panicked, seen, outcome, told: BTreeSet::new() }
    }

    fn attempt(&mut self, input: &[u8]) -> Attempt {
        // Whatever ends the process, the input is there.
        let written = self.trying.write_all_at(input, 0).and_then(|()| self.trying.set_len(input.len() as u64));
        written.unwrap_or_else(|error| panic!("what is tried can't be written down: {error}"));
        let begun = cpu();
        self.now(Some((Instant::now(), begun)));
        Seen::reset();
        let (result, most) = memory::measured(|| catch_unwind(AssertUnwindSafe(|| self.target.read(input))));
        self.now(None);
        let new = self.seen.take();
        let outcome = &mut self.outcome;
        outcome.tried += 1;
        outcome.edges = self.seen.edges();
        outcome.most = outcome.most.max(most);
        let took = cpu().saturating_sub(begun);
        outcome.slowest = outcome.slowest.max(took);
        let taken = matches!(result, Ok(Ok(true)));
        outcome.taken += u64::from(taken);
        let panicked = self.panicked.lock().unwrap_or_else(PoisonError::into_inner).take();
        let limit = self.target.limit().of(input.len());
        match (result, panicked) {
            (Err(_), panic) => self.keep(input, &panic.unwrap_or_default()),
            (Ok(_), Some(panic)) if !self.target.catches_panics() => self.keep(input, &panic),
            (Ok(Err(wrong)), _) => self.keep(input, &wrong),
            (Ok(Ok(_)), _) if most > limit => {
                self.keep(input, &format!("took more memory than it may: {most} of {limit} bytes"));
            }
            _ => {}
        }
        Attempt { new, taken, slow: took > SLOW }
    }

    fn now(&self, since: Option<(Instant, Duration)>) {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).since = since;
    }

    fn keep(&mut self, input: &[u8], what: &str) {
        // The same thing with other numbers is the same thing.
        let kind: String = what.chars().filter(|letter| !letter.is_ascii_digit()).take(160).collect();
        if !self.told.insert(kind) {
            return;
        }
        let path = self.found.join(format!("{}-{:08x}", self.target.name(), crc32fast::hash(input)));
        fs::write(&path, input).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        println!("{}: {what}\n  the input is {}", self.target.name(), path.display());
        self.outcome.findings.push((what.to_owned(), path));
    }
}

/// Ends the process when an input takes too long.
fn watch(current: &Arc<Mutex<Current>>, name: &'static str, trying: &Path) {
    let (current, trying) = (Arc::downgrade(current), trying.to_owned());
    thread::spawn(move || {
        while let Some(current) = current.upgrade() {
            let since = current.lock().unwrap_or_else(PoisonError::into_inner).since;
            if since.is_some_and(|(wall, busy)| wall.elapsed() > WAITS || cpu().saturating_sub(busy) > HANGS) {
                eprintln!("{name}: hangs\n  the input is {}", trying.display());
                std::process::exit(1);
            }
            drop(current);
            thread::sleep(Duration::from_millis(200));
        }
    });
}

/// Processor time of this process so far.
fn cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}

/// The inputs in a folder, which need not be there.
pub fn kept(folder: &Path) -> Vec<Vec<u8>> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path());
    let mut files: Vec<PathBuf> = files.collect();
    files.sort();
    files.iter().filter_map(|file| fs::read(file).ok()).collect()
}
