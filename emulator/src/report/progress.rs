//! What a person sees while a run goes on: phases, then elapsed time, requests, faults as they fire.
//! On a terminal a line that stays; otherwise plain lines, one every ten seconds.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::live::Live;

/// Shows a run's progress on standard error.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    /// Has a screen of its own, on which nothing else may be written.
    screen: Option<Live>,
    said: Duration,
}

/// How far load has come.
#[derive(Debug, Clone, Copy, Default)]
pub struct LoadState {
    /// Time since load began.
    pub elapsed: Duration,
    /// How long it lasts.
    pub duration: Duration,
    /// Requests answered with a result.
    pub completed: u64,
    /// Requests that wait for one.
    pub outstanding: u64,
    /// Results in the last second.
    pub per_second: f64,
}

const PLAIN_EVERY: Duration = Duration::from_secs(10);

impl Progress {
    /// Progress for a terminal, or plain lines.
    pub fn new(terminal: bool) -> Progress {
        let bar = terminal.then(|| {
            let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr_with_hz(10));
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
                bar.set_style(style);
            }
            bar
        });
        Progress { bar, screen: None, said: Duration::ZERO }
    }

    /// Progress for somebody who looks at the live view.
    pub fn on_screen(live: &Live) -> Progress {
        Progress { bar: None, screen: Some(live.clone()), said: Duration::ZERO }
    }

    /// A phase begins.
    pub fn phase(&mut self, name: &str) {
        if let Some(live) = &self.screen {
            live.phase(name);
        }
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{name} …"));
            bar.tick();
        }
    }

    /// A phase is done.
    pub fn phase_done(&mut self, name: &str, took: Duration) {
        self.line(&format!("  {name:<16} {:>8.1} ms", took.as_secs_f64() * 1e3));
    }

    /// Load goes on.
    pub fn load(&mut self, state: LoadState) {
        let LoadState { elapsed, duration, completed, outstanding, per_second } = state;
        let (now, end) = (elapsed.as_secs_f64(), duration.as_secs_f64());
        if let Some(bar) = &self.bar {
            bar.set_style(
                ProgressStyle::with_template("{spinner} {bar:24.cyan/dim} {msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar.set_length(duration.as_millis() as u64);
            bar.set_position(elapsed.min(duration).as_millis() as u64);
            bar.set_message(format!(
                "{now:.0} of {end:.0} s   {completed} done, {outstanding} in flight   {per_second:.1}/s"
            ));
        } else if self.screen.is_none() && elapsed >= self.said + PLAIN_EVERY {
            self.said = elapsed;
            eprintln!("{now:7.1} s  {completed} done, {outstanding} in flight, {per_second:.1}/s");
        }
    }

    /// Something happened during load.
    pub fn happened(&mut self, elapsed: Duration, text: &str) {
        match &self.screen {
            Some(live) => live.news(Some(elapsed), text),
            None => self.line(&format!("{:7.1} s  {text}", elapsed.as_secs_f64())),
        }
    }

    /// A line of its own.
    pub fn line(&mut self, text: &str) {
        match (&self.bar, &self.screen) {
            (_, Some(live)) => live.news(None, text),
            (Some(bar), None) => bar.suspend(|| eprintln!("{text}")),
            (None, None) => eprintln!("{text}"),
        }
    }

    /// Nothing more comes.
    pub fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}
