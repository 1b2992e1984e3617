//! A plan on its cluster, as a picture: who sends what to whom, how long that takes, and what limits.

use planner::cluster::Cluster;
use planner::codec::Codec;
use planner::plan::{Limit, Plan, wire_size};
use planner::profile::ModelProfile;

use super::chart::map::{Arrow, Kind, Map, Node, colour};
use super::chart::svg::Svg;
use super::numbers::{significant, time};
use super::plan::PlanView;
use crate::scenario::Scenario;

/// Width and height of the map.
const MAP: f64 = 660.0;
/// Where the list of stages begins, and how wide the picture is.
const LIST: f64 = 690.0;
const WIDTH: f64 = 1040.0;

/// Draws a plan of this scenario. `title` is what it is a plan of.
pub fn svg(scenario: &Scenario, profile: &ModelProfile, plan: &Plan, title: &str) -> String {
    let view = PlanView::new(scenario, profile, plan);
    let cluster = scenario.cluster();
    let map = map(scenario, plan, |from, to, cut| {
        let path = cluster.path(from, to)?;
        let codec = scenario.inference().map_or(Codec::Raw, |inference| inference.model.codec);
        let busy = path.occupancy(wire_size(profile.transfer(cut, codec)));
        Some(time(busy.as_secs_f64() * 1e3))
    });
    let drawn = map.draw(MAP);
    let height = (34.0 + 46.0 * view.chains.iter().map(|chain| chain.stages.len() + 1).sum::<usize>() as f64).max(MAP);
    let mut svg = Svg::new(WIDTH, height + 60.0);
    let caption = format!(
        "predicted {} requests/s ({}), latency {}; slowest: {}",
        significant(view.throughput_per_s),
        view.proof(),
        time(view.latency_ms),
        view.limit
    );
    svg.text("p", 0.0, 8.0, &caption);
    svg.place(&drawn, 0.0, 20.0);
    list(&mut svg, &view);
    legend(&mut svg, plan, height + 46.0);
    svg.alone(title)
}

/// The cluster with a plan on it. `busy` says how long the tensor of a cut takes from one node to another.
pub fn map(scenario: &Scenario, plan: &Plan, busy: impl Fn(usize, usize, usize) -> Option<String>) -> Map {
    let cluster = scenario.cluster();
    let nodes = (0..cluster.nodes.len()).map(|node| node_of(&cluster, plan, node)).collect();
    let positions = scenario.network.positions.clone();
    Map { nodes, positions, arrows: arrows(&cluster, plan, busy) }
}

fn node_of(cluster: &Cluster, plan: &Plan, node: usize) -> Node {
    let name = cluster.nodes[node].name.clone();
    let stage = plan.stages.iter().position(|stage| stage.node == node);
    let place = |chain: &planner::plan::Chain| chain.stages.iter().position(|index| Some(*index) == stage);
    let holds = plan.chains.iter().enumerate().find_map(|(chain, way)| Some((chain, place(way)?)));
    let (kind, says) = match holds {
        Some((chain, place)) => (Kind::Stage { chain, place }, format!("{name}: stage {place} of chain {chain}")),
        None if node == cluster.client => (Kind::Machine, "client".to_owned()),
        None if node == cluster.dispatcher => (Kind::Machine, "dispatcher".to_owned()),
        None => (Kind::Idle, format!("{name}: an idle worker")),
    };
    Node { name, kind, slowest: plan.prediction.limit == Limit::Compute { node }, hit: false, says }
}

/// What is sent where, each pair once, with its path's rate and the time of the first tensor that goes there.
fn arrows(cluster: &Cluster, plan: &Plan, busy: impl Fn(usize, usize, usize) -> Option<String>) -> Vec<Arrow> {
    let (client, dispatcher) = (cluster.client, cluster.dispatcher);
    let mut arrows: Vec<Arrow> = Vec::new();
    for (index, chain) in plan.chains.iter().enumerate() {
        let mut ways = vec![(client, dispatcher, 0)];
        let (mut before, mut cut) = (dispatcher, 0);
        for (node, segment) in plan.chain(chain) {
            ways.push((before, node, segment.from));
            (before, cut) = (node, segment.to);
        }
        ways.extend([(before, dispatcher, cut), (dispatcher, client, cut)]);
        for (from, to, cut) in ways {
            let Some(path) = cluster.path(from, to) else { continue };
            if from == to || arrows.iter().any(|known| (known.from, known.to) == (from, to)) {
                continue;
            }
            let rate = path.rate.map(|rate| format!("{} Mbit/s", significant(rate.bits_per_second() as f64 / 1e6)));
            let label: Vec<String> = [rate, busy(from, to, cut)].into_iter().flatten().collect();
            let slowest = plan.prediction.limit == Limit::Path { from, to };
            let outside = from == client || to == client;
            arrows.push(Arrow { from, to, chain: (!outside).then_some(index), label: label.join(" · "), slowest });
        }
    }
    arrows
}

/// The stages, chain by chain.
fn list(svg: &mut Svg, view: &PlanView) {
    let mut y = 44.0;
    for (number, chain) in view.chains.iter().enumerate() {
        if view.chains.len() > 1 {
            let share = format!("chain {number}: {} % of the requests", significant(chain.share * 100.0));
            svg.text("t strong", LIST, y, &share);
            y += 24.0;
        }
        for (index, stage) in chain.stages.iter().enumerate() {
            svg.circle(&format!("a{}", colour(number)), LIST + 10.0, y - 4.0, 10.0);
            svg.text("inv mid strong", LIST + 10.0, y, &index.to_string());
            let what = format!("{}: {} → {}", stage.node, shortened(&stage.from), shortened(&stage.to));
            svg.text("t", LIST + 28.0, y, &what);
            let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
            let cost = format!(
                "computes {}; {:.0} of {:.0} MiB",
                time(stage.compute_ms),
                mebibytes(stage.memory_bytes),
                mebibytes(stage.memory_limit_bytes)
            );
            svg.text("p", LIST + 28.0, y + 15.0, &cost);
            y += 38.0;
        }
        y += 8.0;
    }
}

/// What the marks mean.
fn legend(svg: &mut Svg, plan: &Plan, y: f64) {
    svg.rounded("lpale", [0.0, y - 12.0, 15.0, 15.0], 4.0);
    svg.text("p", 22.0, y, "client, dispatcher");
    svg.circle("a1", 158.0, y - 4.0, 8.0);
    svg.text("p", 172.0, y, if plan.chains.len() > 1 { "stage (a colour for each chain)" } else { "stage" });
    svg.circle("none", 358.0, y - 4.0, 8.0);
    svg.text("p", 372.0, y, "idle worker");
    svg.path("lbad", format_args!("M470 {:.1}h16", y - 4.0));
    svg.text("p", 492.0, y, "slowest");
    svg.text("p", 580.0, y, "arrows: the path's rate · time of one transfer");
}

fn shortened(name: &str) -> String {
    const MOST: usize = 22;
    if name.chars().count() <= MOST {
        return name.to_owned();
    }
    let kept: String = name.chars().take(MOST - 1).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_shortened() {
        assert_eq!(shortened("a_name_that_is_longer_than_the_list"), "a_name_that_is_longer…");
    }
}
