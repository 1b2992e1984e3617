//! The results of a run: its folder, its event log, and at the end the files computed from them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use nix::sys::resource::{UsageWho, getrusage};
use node::clock::Instant;
use node::telemetry::Stamped;
use planner::codec::Codec;
use planner::profile::{Cut, ModelProfile};

use super::Options;
use crate::capture::Marks;
use crate::exit::Exit;
use crate::fabric::Fabric;
use crate::fleet::cgroup::RunGroup;
use crate::live::Live;
use crate::model::Prepared;
use crate::record::env::{self, Env, ModelId};
use crate::record::event::{Entry, RunEvent, SIMULATED};
use crate::record::folder::{Folder, FolderError};
use crate::record::log::{LogError, LogWriter};
use crate::record::outputs::{self, OutputError, load_began};
use crate::record::tally::Tally;
use crate::report::evidence::Evidence;
use crate::report::progress::Progress;
use crate::report::{files, terminal};
use crate::sandbox::Sandbox;
use crate::scenario::{Grade, Loaded, Scenario};
use crate::shell::alive::{ALIVE, Alive};
use crate::shell::visits;

/// Folder of the nodes' own folders, in the folder of results.
pub(crate) const NODES: &str = "nodes";

/// Results can't be kept.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// Their folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The event log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// What is computed from it.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The scenario or the surroundings as JSON.
    #[error("can't be written as JSON: {0}")]
    Encode(#[from] serde_json::Error),
}

/// The results of a run that goes on.
pub(crate) struct Results {
    scenario: Scenario,
    folder: Folder,
    log: LogWriter,
    env: Env,
    began: Instant,
    warned: BTreeSet<String>,
    /// Who is told of every entry beside the log.
    live: Option<Live>,
    /// And who marks captures with it.
    marks: Option<Marks>,
    /// The first failure to write. The run goes on to its end, then says so.
    failed: Option<LogError>,
}

impl Results {
    /// A folder for the run that `began`, with the scenario as it was given and as it was resolved. Its name begins
    /// with that of the scenario; `kind` is added to that.
    pub(crate) fn create(results: &Path, kind: &str, loaded: &Loaded, began: Instant) -> Result<Results, ResultsError> {
        let scenario = loaded.scenario.clone();
        let now = jiff::Timestamp::now();
        let folder = Folder::create(results, &format!("{}{kind}", scenario.name), now)?;
        folder.write(outputs::SCENARIO, &loaded.text)?;
        folder.write(outputs::RESOLVED, serde_json::to_vec_pretty(&scenario)?)?;
        for companion in loaded.companions() {
            folder.write_inside(outputs::FILES, &companion.name, &companion.text)?;
        }
        let log = LogWriter::create(&folder.path().join(outputs::EVENTS))?;
        let env = Env::gather(now, scenario.seed, std::env::args().collect());
        let (warned, live, marks, failed) = (BTreeSet::new(), None, None, None);
        let mut results = Results { scenario, folder, log, env, began, warned, live, marks, failed };
        results.push(Entry::Run { at: began, event: RunEvent::RunStarted { log_version: 1 } });
        Ok(results)
    }

    /// Says in the folder that the run goes on, and in which process.
    pub(crate) fn mark_alive(&self, alive: &Alive) -> Result<(), ResultsError> {
        Ok(self.folder.write(ALIVE, serde_json::to_vec(alive)?)?)
    }

    /// The run is about to end: nobody is to come in any more.
    pub(crate) fn unmark_alive(&self) {
        // Where there was no mark, and where it can't be removed, the folder's name tells it in a moment.
        let _ = std::fs::remove_file(self.folder.path().join(ALIVE));
    }

    /// What the run is called, as `emu shell` and others take it.
    pub(crate) fn title(&self) -> String {
        shown(&self.folder.final_path()).display().to_string()
    }

    /// Lets `live` be told of every entry from now on.
    pub(crate) fn show_on(&mut self, live: &Live) {
        self.live = Some(live.clone());
    }

    /// Lets captures be marked with every entry from now on.
    pub(crate) fn mark_on(&mut self, marks: Marks) {
        self.marks = Some(marks);
    }

    /// Shows what is not recorded, since the record has it in another form.
    pub(crate) fn show(&self, event: RunEvent) {
        if let Some(live) = &self.live {
            live.observe(&Entry::Run { at: Instant::now(), event });
        }
    }

    /// Who was in the nodes by hand.
    fn tell_visits(&mut self) {
        let began = self.began;
        for visit in visits::read(self.folder.path()) {
            let (at, node, command) = (visit.at.since(began).as_secs_f64(), visit.node, visit.command.join(" "));
            self.warn(format_args!("{node} was entered {at:.1} s after the run began, to run {command:?}"));
        }
    }

    /// Where all files go while the run goes on.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where nodes' folders go.
    pub(crate) fn nodes_folder(&self) -> PathBuf {
        self.folder.path().join(NODES)
    }

    /// The testbed did or saw something, just now.
    pub(crate) fn happened(&mut self, event: RunEvent) {
        self.happened_at(Instant::now(), event);
    }

    /// The testbed did or saw something.
    pub(crate) fn happened_at(&mut self, at: Instant, event: RunEvent) {
        self.push(Entry::Run { at, event });
    }

    /// A node said something.
    pub(crate) fn said(&mut self, node: &str, said: Stamped) {
        self.push(Entry::Node { at: said.at, node: node.to_owned(), event: said.event });
    }

    /// Something makes the result less trustworthy.
    pub(crate) fn warn(&mut self, text: impl std::fmt::Display) {
        let text = text.to_string();
        // Once is enough.
        if self.warned.insert(text.clone()) {
            self.happened(RunEvent::Warning { text });
        }
    }

    /// The model is there.
    pub(crate) fn model(&mut self, model: &Prepared, codec: Codec) -> Result<(), ResultsError> {
        let profile = &model.profile;
        self.folder.write(outputs::PROFILE, serde_json::to_vec(profile)?)?;
        self.env.model = Some(ModelId { name: profile.model.clone(), digest: profile.digest.clone() });
        let tensors = profile.cuts.iter().map(Cut::name).collect();
        self.happened(RunEvent::Model { tensors });
        if codec.is_lossless() {
            self.happened(RunEvent::Reference { digests: model.reference.clone() });
        } else {
            self.warn(format_args!(
                "the codec {codec} changes values, so outputs are not compared with the unsplit model's"
            ));
        }
        Ok(())
    }

    /// The network is there: what it and its surroundings can't do is known.
    pub(crate) fn host(&mut self, fabric: &Fabric, sandbox: &Sandbox, groups: &RunGroup) {
        let carrier = fabric.carrier_name().to_owned();
        self.env.carrier = Some(carrier.clone());
        self.env.limits = groups.folders().map(|folder| folder.display().to_string()).collect();
        self.happened(RunEvent::Host { carrier, cores: env::cores() });
        fabric.warnings().iter().for_each(|warning| self.warn(warning));
        sandbox.warnings().iter().for_each(|warning| self.warn(warning));
        groups.warnings().iter().for_each(|warning| self.warn(warning));
    }

    /// There is no network: what is recorded from here on is simulated.
    pub(crate) fn simulated(&mut self, profile: &ModelProfile) {
        self.env.carrier = Some(SIMULATED.to_owned());
        self.happened(RunEvent::Simulated);
        self.happened(RunEvent::Model { tensors: profile.cuts.iter().map(Cut::name).collect() });
    }

    /// A phase that began at `clock` is done.
    pub(crate) fn phase_done(&mut self, phase: &str, clock: Instant, progress: &mut Progress) {
        let took = Instant::now().since(clock);
        self.happened(RunEvent::PhaseDone { phase: phase.to_owned(), took });
        progress.phase_done(phase, took);
    }

    /// Puts what was recorded onto the disk.
    pub(crate) fn flush(&mut self) {
        if let Err(error) = self.log.flush() {
            self.failed.get_or_insert(error);
        }
    }

    /// Ends the record, computes everything from it, gives the folder its name and says how it went.
    pub(crate) fn close(mut self, exit: Exit, options: &Options) -> Result<Exit, ResultsError> {
        if matches!(exit, Exit::Interrupted | Exit::Terminated) {
            self.happened(RunEvent::Interrupted);
        }
        self.unmark_alive();
        self.tell_visits();
        // The record is taken in only now: while a run lasts, its length costs no memory.
        self.log.flush()?;
        let mut tally = Tally::read(&self.folder.path().join(outputs::EVENTS), &self.scenario)?;
        tally.add_injected(&mut self.scenario);
        let ended = RunEvent::RunEnded { peak_memory: peak_memory(), exit: exit.code() };
        let ended = Entry::Run { at: Instant::now(), event: ended };
        tally.push(&ended);
        self.push(ended);
        self.log.flush()?;
        if let Some(error) = self.failed {
            return Err(error.into());
        }
        let Results { scenario, folder, env, .. } = self;
        folder.write(outputs::ENV, serde_json::to_vec_pretty(&env)?)?;
        let summary = crate::report::summarise(&scenario, &tally);
        outputs::write(folder.path(), &scenario, &tally, &summary, load_began(&tally, &env))?;
        if tally.load_started.is_some() {
            let evidence = Evidence { scenario: &scenario, tally: &tally, summary: &summary, env: &env };
            files::write(folder.path(), evidence)?;
        }
        let place = folder.finish()?;
        if options.json {
            crate::cli::print_json(&summary);
        }
        // Before load there is nothing to tell but the error, which is said elsewhere.
        if tally.load_started.is_some() {
            eprintln!("{}", terminal::closing(&summary, &shown(&place), options.looks));
        } else {
            eprintln!("what was recorded is in {}", shown(&place).display());
        }
        let exit = Exit::from_code(summary.exit).unwrap_or(exit);
        // A run that nobody looked at is no better than one that is known to be wrong.
        let invalid = match &summary.fidelity {
            Some(fidelity) => fidelity.verdict == Grade::Invalid,
            None => !summary.is_simulated(),
        };
        match exit {
            // What an emulation that is none breaks is no news.
            Exit::Success | Exit::ExpectFailed if options.strict && invalid => Ok(Exit::Inconclusive),
            exit => Ok(exit),
        }
    }

    fn push(&mut self, entry: Entry) {
        if let Some(live) = &self.live {
            live.observe(&entry);
        }
        if let Some(marks) = &self.marks {
            marks.observe(&entry);
        }
        if self.failed.is_none()
            && let Err(error) = self.log.append(&entry)
        {
            self.failed = Some(error);
        }
    }
}

/// Largest resident memory of this process so far, in bytes.
fn peak_memory() -> u64 {
    getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.max_rss().unsigned_abs() * 1024)
}

/// A path as the user would type it.
fn shown(path: &Path) -> PathBuf {
    let here = std::env::current_dir().ok();
    here.and_then(|here| path.strip_prefix(here).ok().map(PathBuf::from)).unwrap_or_else(|| path.to_owned())
}
