//! Where a run is shown while it goes on: opened outside the sandbox, where terminal and network are the host's, and
//! served from inside, where the run is known.

use std::net::{SocketAddr, TcpListener};

use super::{Options, RunError};
use crate::live::Live;
use crate::live::metrics;
use crate::live::orders::Orders;
use crate::live::screen::{Screen, ScreenError, Stage, Terminal};
use crate::sandbox::{self, Attendance, Keys};

/// What is opened outside.
pub(super) struct Outlets {
    /// For inside.
    pub(super) show: Show,
    /// Gives the terminal back when it goes.
    pub(super) terminal: Option<Terminal>,
    /// How the user sits at the run.
    pub(super) attendance: Attendance,
}

/// What a run is to be shown on.
pub(super) struct Show {
    stage: Option<Stage>,
    metrics: Option<(TcpListener, SocketAddr)>,
}

/// What a run is shown on.
pub(super) struct Shown {
    /// The live view, if it is wanted.
    pub(super) screen: Option<Screen>,
    /// What is wanted there.
    pub(super) orders: Option<Orders>,
    /// Where figures can be had.
    pub(super) metrics: Option<String>,
}

impl Outlets {
    /// Opens what the user asked for.
    pub(super) fn open(options: &Options) -> Result<Outlets, RunError> {
        let metrics = options.metrics.as_deref().map(metrics::listen).transpose()?;
        let (mut terminal, mut stage) = (None, None);
        let typed = || sandbox::typed().map_err(ScreenError::System);
        let mut attendance = if options.keep { Attendance::Kept(typed()?) } else { Attendance::None };
        if options.ui {
            let (taken, to, inside) = Terminal::take()?;
            (terminal, stage) = (Some(taken), Some(inside));
            attendance = Attendance::Keys(Keys { from: typed()?, to });
        }
        Ok(Outlets { show: Show { stage, metrics }, terminal, attendance })
    }
}

impl Show {
    /// Shows a run.
    pub(super) fn start(self, live: &Live) -> Result<Shown, RunError> {
        let place = self.metrics.as_ref().map(|(_, place)| format!("http://{place}/metrics"));
        if let Some((listener, _)) = self.metrics {
            metrics::serve(listener, live.clone()).map_err(ScreenError::System)?;
        }
        let (mut screen, mut orders) = (None, None);
        if let Some(stage) = self.stage {
            let given = Orders::new().map_err(ScreenError::Refused)?;
            screen = Some(Screen::start(stage, live.clone(), given.clone(), place.clone())?);
            orders = Some(given);
        }
        Ok(Shown { screen, orders, metrics: place })
    }
}
