//! The picture as a whole: where each panel is, the head, the keys, and the choice of a fault over it.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear, Paragraph};

use super::super::state::Stand;
use super::bars::{bars, ceiling, gauge};
use super::menu::Menu;
use super::{View, panels};
use crate::report::numbers::{grouped, significant, time};

/// What is out of the way.
pub const DIM: Style = Style::new().fg(Color::DarkGray);
/// What counts.
pub const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);

/// Draws everything.
pub fn picture(frame: &mut Frame<'_>, view: &View) {
    let area = frame.area();
    let charts = (area.height / 4).clamp(5, 12);
    let [head, top, rest, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(charts),
        Constraint::Min(0),
        Constraint::Length(1),
    ])
    .areas(area);
    let [middle, bottom] = Layout::vertical([Constraint::Fill(5), Constraint::Fill(4)]).areas(rest);
    let halves = |area| Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).areas::<2>(area);
    let uneven =
        |area, left, right| Layout::horizontal([Constraint::Fill(left), Constraint::Fill(right)]).areas::<2>(area);
    header(frame, head, view);
    let [throughput_area, latency_area] = halves(top);
    throughput(frame, throughput_area, view);
    latency(frame, latency_area, view);
    let [nodes, links] = uneven(middle, 4, 3);
    panels::nodes(frame, nodes, view);
    panels::links(frame, links, view);
    let [faults, news] = uneven(bottom, 3, 4);
    panels::faults(frame, faults, view);
    panels::news(frame, news, view);
    footer(frame, foot, view);
    choice(frame, area, view);
    if !view.colour {
        plain(frame);
    }
}

/// A panel's frame; what is inside it.
pub fn panel(frame: &mut Frame<'_>, area: Rect, title: Line<'_>) -> Rect {
    let block = Block::bordered().border_type(BorderType::Rounded).border_style(DIM).title(title);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    inner
}

fn header(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let state = &view.state;
    let about = format!(
        "  {} · {} nodes{}",
        state.model,
        state.nodes.len(),
        state.carrier.as_ref().map_or(String::new(), |carrier| format!(" · {carrier} links"))
    );
    let left = Line::from(vec![Span::styled(format!(" {}", state.scenario), STRONG), Span::styled(about, DIM)]);
    let whole = state.duration.as_secs_f64();
    let right = match state.began {
        None => Line::from(vec![Span::styled("setting up: ", DIM), Span::raw(format!("{} … ", state.phase))]),
        Some(began) => {
            let until = state.ended.unwrap_or(view.now).min(view.now);
            let elapsed = until.since(began).as_secs_f64();
            let (done, left) = gauge(elapsed / whole, 16);
            let word = if state.ended.is_some() { "ending  " } else { "" };
            Line::from(vec![
                Span::styled(word, Style::new().fg(Color::Yellow)),
                Span::styled(done, Style::new().fg(Color::Cyan)),
                Span::styled(left, DIM),
                Span::styled(format!("  {elapsed:.1}"), STRONG),
                Span::styled(format!(" of {whole:.0} s "), DIM),
            ])
        }
    };
    let width = right.width() as u16;
    let [start, end] = Layout::horizontal([Constraint::Fill(1), Constraint::Length(width)]).areas(area);
    frame.render_widget(left, start);
    frame.render_widget(right.alignment(Alignment::Right), end);
}

fn throughput(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let state = &view.state;
    let values: Vec<f64> = state.seconds.completions().rev().map(|count| count as f64).collect();
    let most = ceiling(values.iter().copied().fold(state.per_second, f64::max));
    let title = Line::from(vec![
        Span::raw(" Throughput "),
        Span::styled(format!("{}/s ", significant(state.per_second)), STRONG.fg(Color::Green)),
    ]);
    let inner = panel(frame, area, title);
    let Some((plot, below)) = chart(frame, inner, &significant(most)) else { return };
    bars(frame.buffer_mut(), plot, most, (&[], Color::Reset), (&values, Color::Green));
    strip(frame, Rect { height: 1, y: plot.bottom(), ..plot }, view);
    let requests = &state.requests;
    let mut text = vec![
        Span::raw(grouped(requests.completed)),
        Span::styled(" done  ", DIM),
        Span::raw(state.outstanding.to_string()),
        Span::styled(" in flight", DIM),
    ];
    if requests.replayed > 0 {
        text.extend([Span::raw(format!("  {}", grouped(requests.replayed))), Span::styled(" sent again", DIM)]);
    }
    if requests.errored > 0 {
        text.push(Span::styled(format!("  {} errors", grouped(requests.errored)), Style::new().fg(Color::Red)));
    }
    frame.render_widget(Line::from(text), below);
}

fn latency(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let state = &view.state;
    let of = |share: f64| {
        let values = state.seconds.percentiles(share).rev().map(|value| value.unwrap_or_default() * 1e3);
        values.collect::<Vec<f64>>()
    };
    let (median, high) = (of(0.5), of(0.99));
    let most = ceiling(high.iter().copied().fold(0.0, f64::max));
    let late =
        |share: f64| state.seconds.percentile_of_late(5, share).map_or("–".to_owned(), |value| time(value * 1e3));
    let title = Line::from(vec![
        Span::raw(" Latency "),
        Span::styled(format!("{} ", late(0.5)), STRONG.fg(Color::Blue)),
        Span::styled("p50  ", DIM),
        Span::styled(format!("{} ", late(0.99)), STRONG.fg(Color::Magenta)),
        Span::styled("p99 ", DIM),
    ]);
    let inner = panel(frame, area, title);
    let Some((plot, below)) = chart(frame, inner, &time(most)) else { return };
    // Without colours the two could not be told apart.
    let back = if view.colour { &high[..] } else { &[] };
    bars(frame.buffer_mut(), plot, most, (back, Color::Magenta), (&median, Color::Blue));
    strip(frame, Rect { height: 1, y: plot.bottom(), ..plot }, view);
    let total: u64 = state.latency.counts.iter().sum();
    let mean = if total == 0 { "–".to_owned() } else { time(state.latency.sum * 1e3 / total as f64) };
    frame.render_widget(
        Line::from(vec![Span::raw(mean), Span::styled(" on average, from the scheduled instant", DIM)]),
        below,
    );
}

/// Room for bars, a line below them for faults, and one for words; the axis ends at `most`.
fn chart(frame: &mut Frame<'_>, inner: Rect, most: &str) -> Option<(Rect, Rect)> {
    if inner.height < 3 || inner.width < 20 {
        return None;
    }
    let axis = 8;
    let text = Rect { width: axis - 1, height: 1, ..inner };
    frame.render_widget(Line::styled(most.to_owned(), DIM).alignment(Alignment::Right), text);
    let plot = Rect { x: inner.x + axis, width: inner.width - axis, height: inner.height - 2, ..inner };
    Some((plot, Rect { y: inner.bottom() - 1, height: 1, ..inner }))
}

/// A line below a chart that is red where a fault held.
fn strip(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let Some(began) = view.state.began else { return };
    let last = view.state.seconds.completions().len();
    let elapsed = view.now.since(began).as_secs();
    for column in 0..area.width.min(last as u16) {
        // The second before the one that goes on is the first column from the right.
        let Some(second) = elapsed.checked_sub(u64::from(column) + 1) else { break };
        let (from, to) = (began + Duration::from_secs(second), began + Duration::from_secs(second + 1));
        let held = view.state.faults.iter().any(|fault| {
            let fired = fault.fired.is_some_and(|fired| fired < to);
            fired
                && match fault.stand {
                    Stand::Active => true,
                    Stand::Healed(healed) => healed >= from,
                    Stand::Planned | Stand::Failed(_) => false,
                }
        });
        let (symbol, style) = if held { ("▀", Style::new().fg(Color::Red)) } else { ("─", DIM) };
        if let Some(cell) = frame.buffer_mut().cell_mut((area.right() - 1 - column, area.y)) {
            cell.set_symbol(symbol).set_style(style);
        }
    }
}

fn footer(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let key = |key: &'static str| Span::styled(key, STRONG.fg(Color::Cyan));
    let word = |word: &'static str| Span::styled(word, DIM);
    let mut line = match view.menu {
        Menu::Closed => vec![
            key(" i"),
            word(" inject a fault   "),
            key("space"),
            word(if view.held { " go on   " } else { " hold the picture   " }),
            key("q"),
            word(" end the run   "),
        ],
        _ => vec![key(" ↑↓"), word(" choose   "), key("enter"), word(" take it   "), key("esc"), word(" back   ")],
    };
    if view.held {
        line.push(Span::styled(" HELD ", Style::new().fg(Color::Black).bg(Color::Yellow)));
    }
    if let Some(metrics) = &view.metrics {
        line.push(Span::styled(format!("  {metrics}"), DIM));
    }
    frame.render_widget(Line::from(line), area);
}

/// The choice of a fault, over everything.
fn choice(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let (lines, marked) = view.menu.lines();
    if matches!(view.menu, Menu::Closed) {
        return;
    }
    let digits = matches!(view.menu, Menu::What(_));
    let height = (lines.len().max(1) as u16 + 2).min(area.height.saturating_sub(2));
    let width = lines.iter().map(|line| line.chars().count() as u16 + 8).max().unwrap_or(0).max(40).min(area.width);
    let place = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    frame.render_widget(Clear, place);
    let block = Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(Style::new().fg(Color::Yellow))
        .title(Span::styled(format!(" {} ", view.menu.title()), STRONG));
    let room = usize::from(height.saturating_sub(2));
    let first = (marked + 1).saturating_sub(room);
    let shown = lines.iter().enumerate().skip(first).take(room).map(|(number, line)| {
        let lead = if digits { format!(" {} ", number + 1) } else { "   ".to_owned() };
        let style = if number == marked { Style::new().fg(Color::Black).bg(Color::Yellow) } else { Style::new() };
        let mark = if number == marked { "›" } else { " " };
        let fill = usize::from(width.saturating_sub(2));
        Line::styled(format!("{:fill$}", format!("{mark}{lead}{line}")), style)
    });
    let mut text: Vec<Line<'_>> = shown.collect();
    if text.is_empty() {
        text.push(Line::styled("    there is no such place now", DIM));
    }
    frame.render_widget(Paragraph::new(text).block(block), place);
}

/// Takes colours away; what is bold stays bold.
fn plain(frame: &mut Frame<'_>) {
    for cell in &mut frame.buffer_mut().content {
        let inverse = cell.bg != Color::Reset;
        (cell.fg, cell.bg) = (Color::Reset, Color::Reset);
        if inverse {
            cell.modifier.insert(Modifier::REVERSED);
        }
    }
}
