//! A plan on its cluster, as a picture: who sends what to whom, how long that takes, and what limits.
//!
//! The picture brings its own background, so it can be read wherever it is shown.

use std::fmt::Write;

use planner::cluster::Cluster;
use planner::plan::{Limit, Plan, wire_size};
use planner::profile::ModelProfile;

use super::numbers::{significant, time};
use super::plan::PlanView;
use super::plan_map::{Box, Curve, Point, free_spot, places};
use crate::scenario::Scenario;

/// Width and height of the map, and where it begins.
const MAP: f64 = 640.0;
const TOP: f64 = 64.0;
/// Where the list of stages begins, and how wide the picture is.
const LIST: f64 = 712.0;
const WIDTH: f64 = 1080.0;
/// Of a node.
const RADIUS: f64 = 16.0;

/// Colours of chains, told apart by colour-blind people too (Okabe and Ito), without the red that means "slowest".
const CHAINS: [&str; 6] = ["#0072b2", "#007a5a", "#a8487f", "#8a6500", "#2a7fb8", "#5b4a9e"];
const SLOWEST: &str = "#d1242f";
const INK: &str = "#1f2328";
const PALE: &str = "#59636e";

/// A transfer of a plan, drawn as an arrow.
struct Transfer {
    from: usize,
    to: usize,
    colour: &'static str,
    label: String,
    slowest: bool,
}

/// Draws a plan of this scenario. `title` is what it is a plan of.
pub fn svg(scenario: &Scenario, profile: &ModelProfile, plan: &Plan, title: &str) -> String {
    let cluster = scenario.cluster();
    let view = PlanView::new(scenario, profile, plan);
    let centre = Point { x: 30.0 + MAP / 2.0, y: TOP + MAP / 2.0 };
    let places = places(cluster.nodes.len(), &scenario.network.positions, centre, MAP - 90.0, 3.4 * RADIUS);
    let transfers = transfers(&cluster, profile, plan, scenario);
    let mut body = String::new();
    let crowded: Vec<Box> =
        places.iter().map(|at| Box::around(Point { x: at.x, y: at.y + 7.0 }, 44.0, 2.0 * RADIUS + 16.0)).collect();
    arrows(&mut body, &transfers, &places, crowded);
    nodes(&mut body, &cluster, plan, &places);
    let bottom = list(&mut body, &view).max(TOP + MAP);
    let height = legend(&mut body, plan, bottom + 26.0);
    let caption = format!(
        "predicted {} requests/s ({}), latency {}; slowest: {}",
        significant(view.throughput_per_s),
        view.proof(),
        time(view.latency_ms),
        view.limit
    );
    let mut head = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" width=\"{WIDTH}\" height=\"{height:.0}\" \
         font-family=\"system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif\" font-size=\"12\">\n<title>{}</title>\n",
        escaped(title)
    );
    let _ = writeln!(
        head,
        "<rect x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{:.0}\" rx=\"8\" fill=\"#ffffff\" stroke=\"#d1d9e0\"/>",
        WIDTH - 1.0,
        height - 1.0
    );
    text(&mut head, Point { x: 24.0, y: 30.0 }, "font-size=\"17\" font-weight=\"600\"", INK, title);
    text(&mut head, Point { x: 24.0, y: 51.0 }, "", PALE, &caption);
    format!("{head}{body}</svg>\n")
}

/// What is sent where, each pair once, with its path's rate and the time of the largest tensor.
fn transfers(cluster: &Cluster, profile: &ModelProfile, plan: &Plan, scenario: &Scenario) -> Vec<Transfer> {
    let (client, dispatcher, end) = (cluster.client, cluster.dispatcher, profile.pieces.len());
    let mut transfers: Vec<Transfer> = Vec::new();
    for (index, chain) in plan.chains.iter().enumerate() {
        let placement = plan.chain(chain);
        let mut ways = vec![(client, dispatcher, 0)];
        let mut before = dispatcher;
        for (node, segment) in placement {
            ways.push((before, node, segment.from));
            before = node;
        }
        ways.extend([(before, dispatcher, end), (dispatcher, client, end)]);
        for (from, to, cut) in ways {
            let Some(path) = cluster.path(from, to) else { continue };
            if from == to || transfers.iter().any(|known| (known.from, known.to) == (from, to)) {
                continue;
            }
            let busy = path.occupancy(wire_size(profile.transfer(cut, scenario.model.codec)));
            let busy = time(busy.as_secs_f64() * 1e3);
            let label = match path.rate {
                Some(rate) => format!("{} Mbit/s · {busy}", significant(rate.bits_per_second() as f64 / 1e6)),
                None => busy,
            };
            let slowest = plan.prediction.limit == Limit::Path { from, to };
            let outside = from == client || to == client;
            let colour = if outside { PALE } else { CHAINS[index % CHAINS.len()] };
            transfers.push(Transfer { from, to, colour, label, slowest });
        }
    }
    transfers
}

/// Arrows first, then their labels where there is room, so that no arrow crosses a label.
fn arrows(svg: &mut String, transfers: &[Transfer], places: &[Point], mut taken: Vec<Box>) {
    let curve = |transfer: &Transfer| Curve::between(places[transfer.from], places[transfer.to], RADIUS + 3.0);
    for transfer in transfers {
        let (curve, colour) = (curve(transfer), if transfer.slowest { SLOWEST } else { transfer.colour });
        let Curve { from, bend, to } = curve;
        let [left, right, neck] = curve.head();
        let _ = writeln!(
            svg,
            "<path d=\"M{from} Q{bend} {neck}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{}\"/><path d=\"M{to} L{left} L{right} Z\" fill=\"{colour}\"/>",
            if transfer.slowest { 3.5 } else { 1.8 }
        );
    }
    for transfer in transfers {
        let colour = if transfer.slowest { SLOWEST } else { transfer.colour };
        let label = Box::around(Point { x: 0.0, y: 0.0 }, 6.1 * transfer.label.chars().count() as f64 + 8.0, 16.0);
        let spot = free_spot(&curve(transfer), label, &taken);
        taken.push(spot);
        let Box { left, top, width, height } = spot;
        let _ = writeln!(
            svg,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"4\" fill=\"#ffffff\" fill-opacity=\"0.92\"/>"
        );
        let weight = if transfer.slowest { " font-weight=\"700\"" } else { "" };
        let style = format!("font-size=\"11\" text-anchor=\"middle\"{weight}");
        text(svg, Point { x: left + width / 2.0, y: top + 12.0 }, &style, colour, &transfer.label);
    }
}

fn nodes(svg: &mut String, cluster: &Cluster, plan: &Plan, places: &[Point]) {
    for (node, (device, at)) in cluster.nodes.iter().zip(places).enumerate() {
        let Point { x, y } = *at;
        let stage = plan.stages.iter().position(|stage| stage.node == node);
        let chain = stage.and_then(|stage| plan.chains.iter().position(|chain| chain.stages.contains(&stage)));
        let (role, slowest) = (role(cluster, node), plan.prediction.limit == Limit::Compute { node });
        let fill = chain.map_or("#ffffff", |chain| CHAINS[chain % CHAINS.len()]);
        let (edge, width) = if slowest { (SLOWEST, 4.0) } else { (if chain.is_some() { fill } else { PALE }, 1.5) };
        if role.is_empty() {
            let dashed = if chain.is_none() { " stroke-dasharray=\"3 3\"" } else { "" };
            let _ = writeln!(
                svg,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{RADIUS}\" fill=\"{fill}\" stroke=\"{edge}\" stroke-width=\"{width}\"{dashed}/>"
            );
        } else {
            let (fill, side) = (if chain.is_some() { fill } else { "#e8ecf0" }, 2.0 * RADIUS);
            let (left, top) = (x - RADIUS, y - RADIUS);
            let _ = writeln!(
                svg,
                "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{side}\" height=\"{side}\" rx=\"6\" fill=\"{fill}\" stroke=\"{edge}\" stroke-width=\"{width}\"/>"
            );
        }
        let place = chain.and_then(|chain| plan.chains[chain].stages.iter().position(|index| Some(*index) == stage));
        let (inside, colour) = match place {
            Some(place) => (place.to_string(), "#ffffff"),
            None => (role.chars().next().map_or_else(String::new, |initial| initial.to_uppercase().to_string()), INK),
        };
        let middle = "font-size=\"14\" font-weight=\"600\" text-anchor=\"middle\"";
        text(svg, Point { x, y: y + 5.0 }, middle, colour, &inside);
        let below = Point { x, y: y + RADIUS + 13.0 };
        text(svg, below, "font-size=\"11\" text-anchor=\"middle\"", INK, &device.name);
    }
}

fn role(cluster: &Cluster, node: usize) -> &'static str {
    match node {
        _ if node == cluster.client => "client",
        _ if node == cluster.dispatcher => "dispatcher",
        _ => "",
    }
}

/// The stages, chain by chain; where the list ends.
fn list(svg: &mut String, view: &PlanView) -> f64 {
    let mut y = TOP + 24.0;
    for (number, chain) in view.chains.iter().enumerate() {
        let colour = CHAINS[number % CHAINS.len()];
        if view.chains.len() > 1 {
            let share = format!("chain {number}: {} % of the requests", significant(chain.share * 100.0));
            text(svg, Point { x: LIST, y }, "font-weight=\"600\"", colour, &share);
            y += 24.0;
        }
        for (index, stage) in chain.stages.iter().enumerate() {
            let _ =
                writeln!(svg, "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"10\" fill=\"{colour}\"/>", LIST + 10.0, y - 4.0);
            let middle = "font-size=\"11\" font-weight=\"600\" text-anchor=\"middle\"";
            text(svg, Point { x: LIST + 10.0, y }, middle, "#ffffff", &index.to_string());
            let what = format!("{}: {} → {}", stage.node, shortened(&stage.from), shortened(&stage.to));
            text(svg, Point { x: LIST + 28.0, y }, "", INK, &what);
            let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
            let cost = format!(
                "computes {}; {:.0} of {:.0} MiB",
                time(stage.compute_ms),
                mebibytes(stage.memory_bytes),
                mebibytes(stage.memory_limit_bytes)
            );
            text(svg, Point { x: LIST + 28.0, y: y + 15.0 }, "font-size=\"11\"", PALE, &cost);
            y += 38.0;
        }
        y += 8.0;
    }
    y
}

/// What the marks mean; the picture's height.
fn legend(svg: &mut String, plan: &Plan, y: f64) -> f64 {
    let mark = |svg: &mut String, x: f64, mark: &str, words: &str| {
        let _ = writeln!(svg, "<g transform=\"translate({x:.0} {:.0})\">{mark}</g>", y - 4.0);
        text(svg, Point { x: x + 18.0, y }, "font-size=\"11\"", PALE, words);
    };
    let square =
        format!("<rect x=\"-8\" y=\"-8\" width=\"16\" height=\"16\" rx=\"4\" fill=\"#e8ecf0\" stroke=\"{PALE}\"/>");
    let stage = format!("<circle r=\"8\" fill=\"{}\"/>", CHAINS[0]);
    let idle = format!("<circle r=\"8\" fill=\"#ffffff\" stroke=\"{PALE}\" stroke-dasharray=\"3 3\"/>");
    let slowest = format!("<path d=\"M-8 0 H8\" stroke=\"{SLOWEST}\" stroke-width=\"4\"/>");
    let stages = if plan.chains.len() > 1 { "stage (a colour for each chain)" } else { "stage" };
    mark(svg, 36.0, &square, "client, dispatcher");
    mark(svg, 180.0, &stage, stages);
    mark(svg, 380.0, &idle, "idle worker");
    mark(svg, 490.0, &slowest, "slowest");
    text(svg, Point { x: 580.0, y }, "font-size=\"11\"", PALE, "arrows: the path's rate · time of one transfer");
    y + 22.0
}

fn text(svg: &mut String, at: Point, style: &str, colour: &str, words: &str) {
    let Point { x, y } = at;
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"{colour}\" {style}>{}</text>", escaped(words));
}

fn shortened(name: &str) -> String {
    const MOST: usize = 22;
    if name.chars().count() <= MOST {
        return name.to_owned();
    }
    let kept: String = name.chars().take(MOST - 1).collect();
    format!("{kept}…")
}

/// Text as XML, without the control characters that no XML may have.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            _ if character.is_control() => safe.push(' '),
            _ => safe.push(character),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_not_break_the_picture() {
        assert_eq!(escaped("a<b>&\"c\"\u{1}"), "a&lt;b&gt;&amp;&quot;c&quot; ");
        assert_eq!(shortened("a_name_that_is_longer_than_the_list"), "a_name_that_is_longer…");
    }
}
