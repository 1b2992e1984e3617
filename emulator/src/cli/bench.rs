//! `emu bench links`, `emu bench setup` and `emu bench host`

use std::time::Duration;

use clap::{Args, Subcommand};

use crate::bench::BenchError;
use crate::bench::host::{self, HostFigures};
use crate::bench::links::{self, Burners, Figures, HubFigures};
use crate::bench::rattan;
use crate::bench::setup::{self, SetupFigures};
use crate::bench::trips::{Spread, Trips, Watched};
use crate::exit::Exit;
use crate::fabric::CarrierChoice;
use crate::report::columns::columns;
use crate::sandbox;

/// Arguments of `emu bench`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  emu bench host
  emu bench links
  emu bench setup --nodes 20,100")]
pub struct BenchArgs {
    #[command(subcommand)]
    command: BenchCommand,
}

#[derive(Debug, Subcommand)]
enum BenchCommand {
    /// What this host has to give. Kept, and held against what scenarios ask for.
    #[command(after_help = "\
Examples:
  emu bench host
  emu bench host --json")]
    Host {
        /// Prints the figures as JSON on standard output.
        #[arg(long)]
        json: bool,
    },
    /// How exactly links keep to what was asked, and how much they carry.
    #[command(after_help = "\
Examples:
  emu bench links
  emu bench links --links precise --seconds 10
  emu bench links --busy --json | jq .hub.rtt_error")]
    Links {
        /// How long each flow is measured, in seconds.
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
        seconds: u64,
        /// What carries the links: the kernel's netem, software, or whichever works (auto).
        #[arg(long, value_enum, default_value_t)]
        links: CarrierChoice,
        /// Keeps every processor busy meanwhile.
        #[arg(long)]
        busy: bool,
        /// Prints the figures as JSON on standard output.
        #[arg(long)]
        json: bool,
    },
    /// One end of a connection through somebody else's link; `emu bench links` has it started there.
    #[command(hide = true)]
    End {
        #[command(subcommand)]
        role: Role,
    },
    /// How long networks take to set up, beside Mininet's where that is installed.
    #[command(after_help = "\
Examples:
  emu bench setup
  emu bench setup --nodes 20,100 --rounds 5 --json
  emu bench setup --links software --alone")]
    Setup {
        /// How many nodes, on one switch.
        #[arg(long, value_delimiter = ',', default_values_t = [20, 100, 500], value_parser = clap::value_parser!(u16).range(2..=1000))]
        nodes: Vec<u16>,
        /// How often each is set up; the fastest counts.
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
        rounds: u32,
        /// What carries the links: the kernel's netem, software, or whichever works (auto).
        #[arg(long, value_enum, default_value_t)]
        links: CarrierChoice,
        /// Leaves Mininet out.
        #[arg(long)]
        alone: bool,
        /// Prints the figures as JSON on standard output.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Waits for the other, and sends.
    Listen,
    /// Finds the other, and receives.
    Connect {
        /// For so long.
        seconds: f64,
    },
}

/// Measures, in a sandbox.
pub fn run(arguments: BenchArgs) -> Exit {
    if let BenchCommand::End { role } = &arguments.command {
        let ended = match role {
            Role::Listen => rattan::listen(),
            Role::Connect { seconds } => rattan::connect(Duration::try_from_secs_f64(*seconds).unwrap_or_default()),
        };
        return ended.map_or_else(
            |error| {
                super::complain(&error);
                Exit::SetupFailed
            },
            |()| Exit::Success,
        );
    }
    let ended = sandbox::run(|_| match measured(&arguments.command) {
        Ok(()) => Exit::Success.code(),
        Err(error) => {
            super::complain(&error);
            Exit::SetupFailed.code()
        }
    });
    match ended {
        Ok(code) => Exit::from_code(code).unwrap_or(Exit::SetupFailed),
        Err(error) => {
            super::complain(&error);
            Exit::from_code(error.exit_code()).unwrap_or(Exit::SetupFailed)
        }
    }
}

fn measured(command: &BenchCommand) -> Result<(), BenchError> {
    match *command {
        BenchCommand::Host { json } => {
            let figures = host::measure(Duration::from_secs(1))?;
            if json { super::print_json(&figures) } else { super::print_text(&of_host(&figures)) }
        }
        BenchCommand::Links { seconds, links, busy, json } => {
            let rattan = rattan::installed();
            match &rattan {
                Some(program) => eprintln!("beside rattan: {}", rattan::command(program)),
                None => eprintln!("rattan is not on the path, so it is not measured beside (cargo install rattan)"),
            }
            let burners = busy.then(Burners::start);
            let tell = |next: &str| eprintln!("{next} …");
            let figures = links::measure(links, Duration::from_secs(seconds), rattan.as_deref(), tell)?;
            drop(burners);
            if json { super::print_json(&figures) } else { super::print_text(&of_links(&figures)) }
        }
        // Outside of any sandbox: it is in somebody else's namespace.
        BenchCommand::End { .. } => {}
        BenchCommand::Setup { ref nodes, rounds, links, alone, json } => {
            let mininet = !alone && setup::has_mininet();
            if !mininet && !alone {
                eprintln!("Mininet is not installed, so it is not measured beside (on Debian: apt install mininet)");
            }
            let mut figures = Vec::new();
            for &nodes in nodes {
                eprintln!("{nodes} nodes …");
                figures.push(setup::measure(nodes.into(), rounds, mininet, links)?);
            }
            if let Some(command) = figures.iter().rev().find_map(|of| of.mininet_command.as_ref()) {
                eprintln!("Mininet's figure, in seconds, by hand and as root: {command}");
            }
            if json { super::print_json(&figures) } else { super::print_text(&of_setups(&figures)) }
        }
    }
    Ok(())
}

fn of_host(figures: &HostFigures) -> String {
    let [half, most] = figures.wake_up_us;
    format!(
        "processors   {:.2} in {} cores ({})\n\
         forwarding   {:.2} Gbit/s of TCP over software links, for which {:.2} processors forward; {:.0} thousand datagrams of 64 bytes per second\n\
         waking up    {half:.0} us late; one in a hundred {most:.0} us or more\n",
        figures.processors,
        figures.cores,
        figures.cpu,
        figures.tcp_mbits / 1e3,
        figures.forwarder_cores,
        figures.packets_per_s / 1e3,
    )
}

fn of_links(figures: &Figures) -> String {
    let spread = |of: &Spread| format!("{:.0} / {:.0}", of.p50_us, of.p99_us);
    let clear = |of: &Trips| match &of.watched {
        Some(Watched { clear_p99_us: Some(most), stalled_share, .. }) => {
            format!("{most:.0} (-{:.1} %)", stalled_share * 1e2)
        }
        Some(_) => "none".to_owned(),
        None => "-".to_owned(),
    };
    let cores = |cores: Option<f64>| cores.map_or("-".to_owned(), |cores| format!("{cores:.3}"));
    let header = [
        "LINK",
        "CARRIER",
        "MBIT/S",
        "OF POSSIBLE",
        "RTT ERROR US",
        "WITHOUT STALLS",
        "BARE PAIR",
        "WAKING UP",
        "FORWARDER CORES",
    ];
    let mut rows: Vec<Vec<String>> = Vec::new();
    for link in &figures.links {
        rows.push(vec![
            format!("{} Mbit/s, {} ms", link.rate_mbits, link.delay_ms),
            link.carrier.clone(),
            format!("{:.3}", link.goodput_mbits),
            format!("{:.4}", link.ratio),
            spread(&link.rtt_error.all),
            clear(&link.rtt_error),
            spread(&link.bare_rtt.all),
            spread(&link.wake_up),
            cores(link.forwarder_cores),
        ]);
    }
    let medium = |hub: &HubFigures, how: &str| {
        vec![
            format!("{} flows on a medium{how}", hub.nodes),
            hub.carrier.clone(),
            "-".to_owned(),
            format!("{:.4} (least {:.4})", hub.ratio_mean, hub.ratio_min),
            spread(&hub.rtt_error.all),
            clear(&hub.rtt_error),
            "-".to_owned(),
            "-".to_owned(),
            cores(hub.forwarder_cores),
        ]
    };
    rows.push(medium(&figures.hub, ""));
    rows.push(medium(&figures.hub_busy, ", processors busy"));
    let mut said = columns(&header, &rows, &[2, 3, 4, 5, 6, 7, 8]);
    said += "\
OF POSSIBLE     goodput of one TCP connection (MBIT/S) as a share of what the rate leaves it
RTT ERROR US    by how many microseconds a round trip takes longer than twice the delay and the packets' transmission: half of all trips, and 99 of 100
WITHOUT STALLS  99 of 100 of as many again, without those (their share) during which a processor took no interrupt for 0.2 ms or more though a timer
                was due: a hypervisor had it, which no emulator can help. RTT ERROR has all trips. -: not seen without a real-time priority
BARE PAIR       what a round trip takes over a plain pair of interfaces at the same pace: the measure's own error, which RTT ERROR contains
WAKING UP       how late a real-time thread of this host wakes up after a nap as long as the delay: twice in a round trip

";
    let unshaped = &figures.unshaped;
    let gbits = |mbits: f64| format!("{:.2}", mbits / 1e3);
    let either =
        |cores: Option<[f64; 2]>, which: usize| cores.map_or("-".to_owned(), |cores| format!("{:.2}", cores[which]));
    let (own, bare) = (&unshaped.own, &unshaped.bare);
    let times = |which: usize| unshaped.times_rattan.map_or("-".to_owned(), |times| format!("{:.1}", times[which]));
    let theirs = unshaped.rattan_tcp_mbits.map_or("-".to_owned(), gbits);
    let line = |what: &str, ours: f64, bare: f64, which: usize| {
        vec![
            what.to_owned(),
            gbits(ours),
            gbits(bare),
            theirs.clone(),
            times(which),
            either(unshaped.forwarder_cores, which),
            format!("{:.2}", unshaped.host_cores[which]),
        ]
    };
    let what = format!("WITHOUT A SHAPE ({})", unshaped.carrier);
    let header = [&*what, "GBIT/S", "BARE PAIR", "RATTAN", "TIMES RATTAN", "FORWARDER CORES", "HOST CORES"];
    let rows = [
        line("TCP with super-frames", own.tcp_mbits, bare.tcp_mbits, 0),
        line("TCP packet by packet", own.tcp_packets_mbits, bare.tcp_packets_mbits, 1),
    ];
    said += &columns(&header, &rows, &[1, 2, 3, 4, 5, 6]);
    said += &format!(
        "datagrams of 64 bytes: {:.0} thousand per second arrive at the far interface; over a bare pair {:.0} thousand\n",
        own.datagrams_per_s / 1e3,
        bare.datagrams_per_s / 1e3
    );
    if figures.stolen_s > 0.0 {
        said += &format!(
            "a hypervisor kept processors from this host for {:.2} s meanwhile: no emulator's doing, but in the 99 of 100\n",
            figures.stolen_s
        );
    }
    for warning in &figures.warnings {
        said += &format!("warning: {warning}\n");
    }
    said
}

fn of_setups(figures: &[SetupFigures]) -> String {
    let millis = |seconds: f64| format!("{:.1}", seconds * 1e3);
    let row = |of: &SetupFigures| {
        vec![
            of.nodes.to_string(),
            of.carrier.clone(),
            millis(of.setup_s),
            millis(of.teardown_s),
            of.mininet_s.map_or("-".to_owned(), millis),
            of.ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.1}")),
        ]
    };
    let rows: Vec<Vec<String>> = figures.iter().map(row).collect();
    columns(&["NODES", "CARRIER", "SET-UP MS", "TEARDOWN MS", "MININET MS", "RATIO"], &rows, &[0, 2, 3, 4, 5])
}
