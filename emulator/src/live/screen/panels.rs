//! The panels below the charts: nodes, links, faults, news.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};

use super::super::state::{Fault, Life, Stand, State};
use super::View;
use super::bars::gauge;
use super::draw::{DIM, STRONG, panel};
use crate::report::numbers::mebibytes;
use crate::scenario::Role;

const GOOD: Style = Style::new().fg(Color::Green);
const BAD: Style = Style::new().fg(Color::Red);
const CAUTION: Style = Style::new().fg(Color::Yellow);

/// The nodes: those in trouble first, then those with stages.
pub fn nodes(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let state = &view.state;
    let up = state.nodes.iter().filter(|node| node.life == Life::Up).count();
    let title = Line::from(vec![
        Span::raw(" Nodes "),
        Span::styled(format!("{up} of {} up ", state.nodes.len()), if up < state.nodes.len() { BAD } else { DIM }),
    ]);
    let inner = panel(frame, area, title);
    let mut order: Vec<usize> = (0..state.nodes.len()).collect();
    order.sort_by_key(|&number| {
        let trouble = state.nodes[number].life == Life::Gone || harms(state, number).next().is_some();
        let role = match state.nodes[number].role {
            Role::Worker => state.stages_of(number).next().map_or(usize::MAX, |stage| stage + 2),
            Role::Dispatcher => 0,
            Role::Client => 1,
        };
        (!trouble, role, number)
    });
    let name = widest(order.iter().map(|&number| state.hosts[number].as_str()));
    let lines = order.iter().map(|&number| {
        let node = &state.nodes[number];
        let harms: Vec<&str> = harms(state, number).map(|fault| fault.kind).collect();
        let (mark, mut word, style) = match node.life {
            Life::Gone => ("○", "gone", BAD),
            Life::Starting => ("◐", "starting", CAUTION),
            Life::Up if harms.is_empty() => ("●", "up", GOOD),
            Life::Up => ("●", "up", CAUTION),
        };
        let words = harms.join(", ");
        if !words.is_empty() {
            word = &words;
        }
        let memory = match node.resident {
            None => vec![Span::styled(format!("{:16}", "–"), DIM)],
            Some(bytes) => {
                let share = bytes as f64 / node.limit.bytes().max(1) as f64;
                let (full, free) = gauge(share, 6);
                let ink = if share > 0.9 { BAD } else { Style::new().fg(Color::Blue) };
                let text = format!(" {:>9}", format!("{}/{}", mebibytes(bytes), mebibytes(node.limit.bytes())));
                vec![Span::styled(full, ink), Span::styled(free, DIM), Span::raw(text)]
            }
        };
        let mut line = vec![
            Span::styled(format!("{mark} "), style),
            Span::styled(format!("{:name$} ", state.hosts[number]), STRONG),
            Span::raw(format!("{:<11}", state.duty(number))),
        ];
        line.extend(memory);
        line.push(Span::styled(format!("  {word}"), style));
        Line::from(line)
    });
    list(frame, inner, lines.collect(), "nodes");
}

/// The faults that hold a node now.
fn harms(state: &State, node: usize) -> impl Iterator<Item = &Fault> {
    state.active().filter(move |fault| fault.nodes.contains(&node))
}

/// The links that carry most.
pub fn links(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let state = &view.state;
    let mut used: Vec<_> = state.links.iter().filter(|(_, link)| link.counters.bytes > 0).collect();
    let all: f64 = used.iter().map(|(_, link)| link.used).sum();
    used.sort_by_key(|(way, link)| (std::cmp::Reverse(link.counters.bytes), **way));
    let title = Line::from(vec![Span::raw(" Links "), Span::styled(format!("{} ", rate(all)), DIM)]);
    let inner = panel(frame, area, title);
    let name = widest(used.iter().flat_map(|((from, to), _)| [from, to]).map(|host| state.hosts[*host].as_str()));
    let lines = used.iter().map(|((from, to), link)| {
        let mut line = vec![
            Span::styled(format!("{:>name$}→{:name$} ", state.hosts[*from], state.hosts[*to]), STRONG),
            Span::raw(format!("{:>11} ", rate(link.used))),
        ];
        if let Some(capacity) = link.capacity {
            let share = link.used * 8.0 / capacity.bits_per_second() as f64;
            let (full, free) = gauge(share, 6);
            let ink = if share > 0.8 { CAUTION } else { Style::new().fg(Color::Cyan) };
            line.extend([Span::styled(full, ink), Span::styled(free, DIM)]);
        }
        let dropped = link.counters.overflowed + link.counters.aqm_dropped + link.counters.lost;
        if dropped > 0 {
            line.push(Span::styled(format!(" {dropped} lost"), CAUTION));
        }
        Line::from(line)
    });
    list(frame, inner, lines.collect(), "directions");
}

/// The faults: those that hold, those to come, those that are over, the latest first.
pub fn faults(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let state = &view.state;
    let active = state.active().count();
    let title = Line::from(vec![
        Span::raw(" Faults "),
        Span::styled(format!("{active} active "), if active > 0 { BAD } else { DIM }),
    ]);
    let inner = panel(frame, area, title);
    let mut order: Vec<&Fault> = state.faults.iter().collect();
    // Stable: within each sort they stay in the order of time, or its reverse.
    order.sort_by_key(|fault| match fault.stand {
        Stand::Active => (0, fault.planned),
        Stand::Planned => (1, fault.planned),
        Stand::Failed(_) | Stand::Healed(_) => (2, std::time::Duration::MAX.saturating_sub(fault.planned)),
    });
    let lines = order.into_iter().map(|fault| {
        let began = state.began.unwrap_or(view.now);
        let seconds = |time: std::time::Duration| format!("{:.1} s", time.as_secs_f64());
        let since = fault.fired.map_or(String::new(), |fired| seconds(view.now.since(fired)));
        let (mark, style, how) = match &fault.stand {
            Stand::Planned => {
                let left = (began + fault.planned).since(view.now);
                ("·", DIM, if state.began.is_some() { format!("in {}", seconds(left)) } else { String::new() })
            }
            Stand::Active => {
                let of = fault.lasting.map_or(String::new(), |lasting| format!(" of {}", seconds(lasting)));
                (
                    "▲",
                    BAD,
                    if of.is_empty() {
                        format!("for {since}")
                    } else {
                        format!("{}{of}", since.trim_end_matches(" s"))
                    },
                )
            }
            Stand::Healed(at) => ("✓", GOOD, format!("healed after {}", seconds(at.since(fault.fired.unwrap_or(*at))))),
            Stand::Failed(reason) => ("✗", BAD, reason.clone()),
        };
        let by = if fault.by_hand { " by hand" } else { "" };
        Line::from(vec![
            Span::styled(format!("{mark} "), style),
            Span::styled(format!("{:>6} ", seconds(fault.planned)), DIM),
            Span::styled(fault.kind, STRONG),
            Span::raw(format!(" {}", fault.target)),
            Span::styled(by, DIM),
            Span::styled(format!(" {how}"), style),
        ])
    });
    list(frame, inner, lines.collect(), "faults");
}

/// What happened, the latest at the bottom.
pub fn news(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let inner = panel(frame, area, Line::raw(" What happened "));
    let room = usize::from(inner.height);
    let news = &view.state.news;
    let lines = news.iter().skip(news.len().saturating_sub(room)).map(|(at, text)| {
        let at = at.map_or(String::new(), |at| format!("{:>6.1} s  ", at.as_secs_f64()));
        Line::from(vec![Span::styled(at, DIM), Span::raw(text.trim_start())])
    });
    let lines: Vec<Line<'_>> = lines.collect();
    frame.render_widget(ratatui::widgets::Paragraph::new(lines), inner);
}

/// As many lines as there is room for, and how many more there are.
fn list(frame: &mut Frame<'_>, area: Rect, mut lines: Vec<Line<'_>>, what: &str) {
    let room = usize::from(area.height);
    if lines.len() > room && room > 0 {
        let more = lines.len() - room + 1;
        lines.truncate(room - 1);
        lines.push(Line::styled(format!("  … {more} more {what}"), DIM));
    }
    frame.render_widget(ratatui::widgets::Paragraph::new(lines), area);
}

fn widest<'a>(names: impl Iterator<Item = &'a str>) -> usize {
    names.map(|name| name.chars().count()).max().unwrap_or(0)
}

/// Bytes per second as a rate, as scenarios have them.
fn rate(bytes: f64) -> String {
    match bytes * 8.0 {
        bits if bits >= 999.5e6 => format!("{:.2} Gbit/s", bits / 1e9),
        bits if bits >= 99.95e3 => format!("{:.1} Mbit/s", bits / 1e6),
        bits => format!("{:.0} kbit/s", bits / 1e3),
    }
}
