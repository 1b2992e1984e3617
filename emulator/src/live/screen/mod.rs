//! The live view of a run on a terminal: what a person sees, and the keys with which they act.
//!
//! Keys hold the picture, choose a fault ([`menu`]) or end the run. The run itself can't be held: its requests and faults are
//! due at instants, and a clock doesn't wait.

mod bars;
mod draw;
mod keys;
mod menu;
mod panels;
mod terminal;

use std::io::{BufWriter, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use node::clock::Instant;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Terminal as Canvas, TerminalOptions, Viewport};

use super::orders::{Order, Orders};
use super::{Live, State};
use keys::{Key, keys};
use menu::Menu;

pub use terminal::{ScreenError, Stage, Terminal};

/// How often the picture is drawn, at least.
const FRAME: Duration = Duration::from_millis(125);
/// How long the end of a run waits for a terminal that takes nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// The view, drawn by a thread of its own for as long as this lives.
#[derive(Debug)]
pub struct Screen {
    stage: Arc<Stage>,
    over: Arc<AtomicBool>,
    ended: Receiver<()>,
}

/// What the view shows.
struct View {
    state: State,
    /// The instant that the picture is of.
    now: Instant,
    /// Whether it is held there.
    held: bool,
    menu: Menu,
    /// Where figures can be had, beside here.
    metrics: Option<String>,
    /// Whether colours are wanted.
    colour: bool,
}

impl Screen {
    /// Shows `live` on a stage, and gives `orders`.
    ///
    /// # Errors
    /// When the terminal refuses, or no thread can be started.
    pub fn start(stage: Stage, live: Live, orders: Orders, metrics: Option<String>) -> Result<Screen, ScreenError> {
        let (stage, over) = (Arc::new(stage), Arc::new(AtomicBool::new(false)));
        stage.keys().set_read_timeout(Some(FRAME))?;
        stage.enter()?;
        let (end, ended) = channel();
        let (drawn, stop) = (Arc::clone(&stage), Arc::clone(&over));
        let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let show = move || {
            let (state, now) = (live.snapshot(), Instant::now());
            let view = View { state, now, held: false, menu: Menu::Closed, metrics, colour };
            if let Err(error) = show(view, &drawn, &live, &orders, &stop) {
                live.news(None, &format!("the screen can't be drawn any more: {error}"));
            }
            // Nobody may wait for it any more.
            let _ = end.send(());
        };
        let screen = Screen { stage, over, ended };
        std::thread::Builder::new().name("screen".to_owned()).spawn(show)?;
        Ok(screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // An error means that the thread has ended, too.
        let _ = self.ended.recv_timeout(PATIENCE);
        self.stage.leave();
    }
}

fn show(mut view: View, stage: &Stage, live: &Live, orders: &Orders, over: &AtomicBool) -> Result<(), std::io::Error> {
    let backend = CrosstermBackend::new(BufWriter::new(stage.screen()));
    let mut area = size(stage);
    let mut canvas = Canvas::with_options(backend, TerminalOptions { viewport: Viewport::Fixed(area) })?;
    while !over.load(Ordering::SeqCst) && stage.is_entered() {
        if !view.held {
            (view.state, view.now) = (live.snapshot(), Instant::now());
        }
        if size(stage) != area {
            area = size(stage);
            canvas.resize(area)?;
            canvas.clear()?;
        }
        canvas.draw(|frame| draw::picture(frame, &view))?;
        let mut bytes = [0; 64];
        match stage.keys().read(&mut bytes) {
            // Who sends them is gone, and so will we be.
            Ok(0) => std::thread::sleep(FRAME),
            Ok(count) => keys(&bytes[..count]).into_iter().for_each(|key| view.press(key, orders)),
            // No key within the time of a frame.
            Err(_) => {}
        }
    }
    Ok(())
}

impl View {
    fn press(&mut self, key: Key, orders: &Orders) {
        let at = Instant::now();
        match (&self.menu, key) {
            (_, Key::Letter('q')) => orders.give(Order::Quit),
            (Menu::Closed, Key::Letter(' ' | 'p')) => self.held = !self.held,
            // Before load begins there is nothing that a fault's instant could be counted from.
            (Menu::Closed, Key::Letter('i')) if self.state.began.is_none() => {}
            _ => {
                if let Some((kind, lasting)) = self.menu.press(key, &self.state) {
                    self.held = false;
                    orders.give(Order::Inject { at, kind, lasting });
                }
            }
        }
    }
}

/// The terminal's size; what it was made for when it doesn't say.
fn size(stage: &Stage) -> Rect {
    let size = terminal_size::terminal_size_of(stage.screen());
    let (width, height) = size.map_or((80, 24), |(width, height)| (width.0, height.0));
    Rect::new(0, 0, width.max(1), height.max(1))
}
