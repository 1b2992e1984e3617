//! What scenarios mean: topologies, roles, defaults, faults, overrides.

mod faults;

use std::path::Path;
use std::time::Duration;

use emulator::scenario::network::{Aqm, Distribution, Loss, Queue, Shape};
use emulator::scenario::{ModelSource, Overrides, Role, Scenario, ScenarioErrors, check_capacity, read};
use node::config::{Arrival, Load};
use planner::profile::{Cut, LiveTensor, ModelProfile, PROFILE_VERSION, Piece};
use planner::units::{ByteSize, Rate};
use proptest::prelude::*;

const HEAD: &str = "name = \"x\"\nduration = \"20 s\"\nmodel = { name = \"tiny-cnn\" }\n";

fn with(overrides: &Overrides, rest: &str) -> Result<Scenario, ScenarioErrors> {
    let text = format!("{HEAD}{rest}");
    read(&text, "x.toml", Path::new("tests/mistakes"), overrides).map(|loaded| loaded.scenario)
}

fn good(rest: &str) -> Scenario {
    with(&Overrides::default(), rest).unwrap_or_else(|errors| panic!("{}", errors.render(false, 100)))
}

fn wrong(rest: &str) -> String {
    let errors = with(&Overrides::default(), rest).unwrap_err();
    errors.errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn mbits(mbits: f64) -> Option<Rate> {
    Some(Rate::from_mbits_per_second(mbits))
}

const MILLI: Duration = Duration::from_millis(1);

#[test]
fn what_is_not_said_has_a_default() {
    let scenario = good("[topology]\nkind = \"mesh\"\nnodes = 5\n");
    assert_eq!(
        scenario.nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(),
        ["n00", "n01", "n02", "n03", "n04"]
    );
    assert_eq!(scenario.nodes[0].role, Role::Client);
    assert_eq!(scenario.nodes[1].role, Role::Dispatcher);
    assert!(scenario.nodes[2..].iter().all(|node| node.role == Role::Worker));
    assert_eq!(scenario.nodes[4].memory, ByteSize::from_mib(512));
    assert_eq!((scenario.seed, scenario.warmup, scenario.drain), (1, 2000 * MILLI, 10_000 * MILLI));
    assert_eq!((scenario.load(), scenario.inference().unwrap().inputs), (Load::Closed { concurrency: 4 }, 8));
    assert_eq!(scenario.inference().unwrap().model.source, ModelSource::Zoo("tiny-cnn".into()));
    assert_eq!(scenario.network.media[0].shapes[3][1], Shape::default());
}

#[test]
fn every_value_of_a_shape_arrives() {
    let scenario = good(
        r#"
        [topology]
        kind = "mesh"
        nodes = 3
        rate = "2.5 Mbit/s"
        delay = "10 ms"
        jitter = "500 us"
        jitter_correlation = "25 %"
        distribution = "pareto"
        loss = { p = "1 %", r = 0.25, good = 0.001 }
        reorder = "2 %"
        reorder_gap = 5
        duplicate = 0.03
        corrupt = 0
        queue = "100 packets"
        aqm = "codel"
        [load]
        kind = "open"
        rate = "90 /min"
        arrival = "poisson"
        "#,
    );
    let shape = Shape {
        rate: mbits(2.5),
        delay: 10 * MILLI,
        jitter: MILLI / 2,
        jitter_correlation: 0.25,
        distribution: Distribution::Pareto,
        loss: Loss::GilbertElliott { p: 0.01, r: 0.25, bad: 1.0, good: 0.001 },
        reorder: 0.02,
        reorder_gap: 5,
        duplicate: 0.03,
        corrupt: 0.0,
        queue: Some(Queue::Packets(100)),
        aqm: Aqm::Codel,
    };
    assert_eq!(scenario.network.media[0].shapes[0][2], shape);
    assert_eq!(scenario.load(), Load::Open { rate_per_s: 1.5, arrival: Arrival::Poisson });
}

#[test]
fn a_measured_distribution_is_a_list_of_quantiles() {
    let jitter = "delay = \"5 ms\", jitter = \"1 ms\", distribution = [-1, 0, 2.5]";
    let scenario = good(&format!("topology = {{ kind = \"mesh\", nodes = 3, {jitter} }}"));
    let distribution = &scenario.network.media[0].shapes[0][1].distribution;
    assert_eq!(*distribution, Distribution::Table(vec![-1.0, 0.0, 2.5]));
    // It is in the record as it was written.
    let recorded = serde_json::to_string(distribution).unwrap();
    assert_eq!(serde_json::from_str::<Distribution>(&recorded).unwrap(), *distribution);
}

#[test]
fn the_particular_wins_over_the_general_when_nodes_are_described() {
    let scenario = good(
        r#"
        topology = { kind = "mesh", nodes = 6 }
        [node]
        memory = "512 MiB"
        slowdown = 2
        [node.worker]
        memory = "64 MiB"
        [node.n04]
        memory = "32 MiB"
        [node.n05]
        role = "client"
        "#,
    );
    let memory: Vec<f64> = scenario.nodes.iter().map(|node| node.memory.mib()).collect();
    assert_eq!(memory, [512.0, 64.0, 64.0, 64.0, 32.0, 512.0]);
    assert!(scenario.nodes.iter().all(|node| node.slowdown == 2.0));
    // With the client elsewhere, the first node without a role is the dispatcher.
    assert_eq!((scenario.node_with(Role::Client), scenario.node_with(Role::Dispatcher)), (5, 0));
}

#[test]
fn a_wifi_square_gives_each_pair_a_rate_of_its_own() {
    let topology = "topology = { kind = \"wifi\", nodes = 20, channel = \"8 MHz\", delay = \"2 ms\" }";
    let scenario = good(topology);
    let shapes = &scenario.network.media[0].shapes;
    let rates: Vec<f64> = (1..20).map(|node| shapes[0][node].rate.unwrap().mbits_per_second()).collect();
    assert!(rates.iter().all(|rate| (20.0..150.0).contains(rate)), "{rates:?}");
    assert_eq!(shapes[3][7], shapes[7][3]);
    let other = with(&Overrides { seed: Some(2), ..Overrides::default() }, topology).unwrap();
    assert_ne!(other.network, scenario.network);
}

#[test]
fn classes_have_a_rate_for_each_pair_which_may_differ_each_way() {
    let topology = |pairs: &str| {
        format!(
            "[topology]\nkind = \"classes\"\nairtime = \"shared\"\ndelay = \"3 ms\"\n\
             class = [{{ name = \"pi\", nodes = 3 }}, {{ name = \"hub\", nodes = 1 }}]\npair = [{pairs}]\n"
        )
    };
    let there = "{ from = \"pi\", to = \"hub\", rate = \"20 Mbit/s\", back = \"unlimited\" }";
    let among = "{ from = \"pi\", to = \"pi\", rate = \"5 Mbit/s\" }";
    let scenario = good(&topology(&[there, among].join(", ")));
    let names: Vec<&str> = scenario.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["pi-1", "pi-2", "pi-3", "hub-1"]);
    let paths = scenario.cluster().paths;
    let rate = |from: usize, to: usize| paths[from][to].unwrap().rate;
    assert_eq!((rate(0, 3), rate(3, 0), rate(1, 2)), (mbits(20.0), None, mbits(5.0)));
    // The whole medium shares its airtime.
    assert!(scenario.network.shares_airtime());
    assert!(paths.iter().flatten().flatten().all(|path| path.air == Some(0) && path.delay == 3 * MILLI));

    let wrong = [among, among, "{ from = \"pi\", to = \"hab\", rate = \"1 Mbit/s\" }"].join(", ");
    let text = with(&Overrides::default(), &topology(&wrong)).unwrap_err().render(false, 100);
    assert!(text.contains("given twice") && text.contains("did you mean \"hub\"?"), "{text}");
    let text = with(&Overrides::default(), &topology(among)).unwrap_err().render(false, 100);
    assert!(text.contains("no rate between \"pi\" and \"hub\""), "{text}");
}

#[test]
fn energy_is_that_of_a_raspberry_pi_unless_said_otherwise() {
    let scenario = good(
        r#"
        topology = { kind = "mesh", nodes = 4 }
        [node.worker]
        busy_power = "6.5 W"
        byte_energy = "20 nJ/B"
        [node.n03]
        idle_power = "600 mW"
        "#,
    );
    let energy = |node: usize| scenario.cluster().nodes[node].energy;
    assert_eq!(energy(0), planner::cluster::Energy::RASPBERRY_PI);
    let figures = |node: usize| {
        let energy = energy(node);
        [energy.busy.to_string(), energy.idle.to_string(), energy.per_byte.to_string()]
    };
    assert_eq!(figures(2), ["6.5 W", "2 W", "20 nJ/B"]);
    assert_eq!(figures(3), ["6.5 W", "0.6 W", "20 nJ/B"]);
}

#[test]
fn a_matrix_may_differ_each_way() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rates.csv"), "0, 10, 1\n2.5, 0, -\n7, 20, 0\n").unwrap();
    let text = "name = \"x\"\nduration = \"20 s\"\nmodel = { name = \"tiny-cnn\" }\n\
                topology = { kind = \"matrix\", path = \"rates.csv\" }\n";
    let loaded = read(text, "x", folder.path(), &Overrides::default());
    let loaded = loaded.unwrap_or_else(|errors| panic!("{}", errors.render(false, 100)));
    let paths = loaded.scenario.cluster().paths;
    let rate = |from: usize, to: usize| paths[from][to].unwrap().rate;
    assert_eq!((rate(0, 1), rate(1, 0), rate(2, 0), rate(0, 2)), (mbits(10.0), mbits(2.5), mbits(7.0), mbits(1.0)));
    // Nothing gets from the second to the third by itself: over the first.
    assert_eq!(rate(1, 2), mbits(1.0));
}

#[test]
fn a_star_has_a_hub_and_its_directions_may_differ() {
    let scenario = good(
        "topology = { kind = \"star\", nodes = 4, rate = \"100 Mbit/s\", delay = \"1 ms\", up = { rate = \"5 Mbit/s\" } }",
    );
    assert_eq!((scenario.network.switches.as_slice(), scenario.network.links.len()), (&["hub".to_owned()][..], 4));
    let path = scenario.cluster().path(2, 3).unwrap();
    assert_eq!((path.rate, path.delay), (mbits(5.0), 2 * MILLI));
    assert_eq!(scenario.network.routes().way(2, 3), Some(vec![2, 4, 3]));
}

#[test]
fn lines_and_rings_lead_over_the_nodes_between() {
    let hops = |kind: &str| {
        let scenario = good(&format!("topology = {{ kind = \"{kind}\", nodes = 6, delay = \"1 ms\" }}"));
        scenario.network.routes().way(0, 5).unwrap().len() - 1
    };
    assert_eq!((hops("line"), hops("ring")), (5, 1));
}

#[test]
fn a_tree_has_its_nodes_at_the_leaves() {
    let scenario = good("topology = { kind = \"tree\", nodes = 20, fanout = 4, delay = \"1 ms\" }");
    // Five switches above the nodes, two above those, and the root.
    assert_eq!(scenario.network.switches.len(), 8);
    assert_eq!(scenario.network.links.len(), 20 + 7);
    let hops = |from, to| scenario.network.routes().way(from, to).unwrap().len() - 1;
    assert_eq!((hops(0, 3), hops(0, 4), hops(0, 19)), (2, 4, 6));
    // The root has two neighbours; a switch above nodes has its parent besides them.
    assert_eq!((scenario.network.neighbours(20).len(), scenario.network.neighbours(27).len()), (2, 5));
}

#[test]
fn links_of_a_graph_say_only_what_is_different() {
    let scenario = good(
        r#"
        topology = { kind = "graph", rate = "100 Mbit/s", delay = "1 ms" }
        node = [{ names = ["a", "b"] }, { name = "c", memory = "64 MiB" }]
        switch = [{ name = "s" }]
        [[link]]
        ends = ["a", "s"]
        [[link]]
        ends = ["b", "s"]
        delay = "5 ms"
        b_to_a = { rate = "unlimited" }
        [[link]]
        ends = ["c", "b"]
        "#,
    );
    let link = &scenario.network.links[1];
    assert_eq!((link.a, link.b), (1, 3));
    assert_eq!((link.a_to_b.rate, link.a_to_b.delay), (mbits(100.0), 5 * MILLI));
    assert_eq!((link.b_to_a.rate, link.b_to_a.delay), (None, 5 * MILLI));
    assert_eq!(scenario.network.routes().way(0, 2), Some(vec![0, 3, 1, 2]));
    assert_eq!(scenario.nodes[2].memory, ByteSize::from_mib(64));
}

#[test]
fn a_gap_in_a_matrix_is_bridged_by_others() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("m.csv"), "-, 10, -\n10, -, 20\n-, 5, -\n").unwrap();
    let text = format!("{HEAD}topology = {{ kind = \"matrix\", path = \"m.csv\", delay = \"1 ms\" }}");
    let scenario = read(&text, "x", folder.path(), &Overrides::default()).unwrap().scenario;
    let cluster = scenario.cluster();
    assert_eq!(cluster.path(0, 2).unwrap().rate, mbits(10.0));
    assert_eq!(cluster.path(2, 0).unwrap().rate, mbits(5.0));
    assert!(scenario.network.media[0].shapes[0][2].is_severed());
    std::fs::write(folder.path().join("m.csv"), "-, 10, -\n10, -, -\n-, 5, -\n").unwrap();
    let errors = read(&text, "x", folder.path(), &Overrides::default()).unwrap_err();
    assert_eq!(errors.errors[0].to_string(), "no way leads from \"n00\" to \"n02\"");
}

#[test]
fn the_command_line_changes_values_wherever_they_are() {
    let text = r#"
        topology = { kind = "graph" }
        node = [{ name = "a" }, { name = "b" }, { name = "c" }]
        link = [{ ends = ["a", "b"] }, { ends = ["b", "c"] }]
        fault = [{ kind = "kill", target = "c", at = "1 s" }]
    "#;
    let set =
        ["node.c.memory=64 MiB", "link.1.rate=\"5 Mbit/s\"", "fault.0.at=3 s", "load={kind=\"closed\",concurrency=9}"];
    let scenario = with(&Overrides { set: set.map(str::to_owned).into(), seed: Some(9) }, text).unwrap();
    assert_eq!(scenario.nodes[2].memory, ByteSize::from_mib(64));
    assert_eq!(scenario.network.links[1].a_to_b.rate, mbits(5.0));
    assert_eq!(scenario.faults[0].at, 3000 * MILLI);
    assert_eq!((scenario.load(), scenario.seed), (Load::Closed { concurrency: 9 }, 9));
}

#[test]
fn a_model_that_no_plan_can_fit_is_told_where_it_is_named() {
    let cut = |name: &str| Cut {
        tensors: vec![LiveTensor { name: name.into(), shape: vec![1], element: planner::element::Element::Float32 }],
        encoded: Default::default(),
    };
    let piece = |mib| Piece {
        operators: vec![],
        parameters: ByteSize::from_mib(mib),
        activations: ByteSize::from_mib(2),
        flops: 0,
        time: MILLI,
        timings: Vec::new(),
        digest: None,
    };
    let profile = ModelProfile {
        version: PROFILE_VERSION,
        model: "tiny-cnn".into(),
        digest: String::new(),
        host: String::new(),
        process_memory: ByteSize::from_mib(20),
        footprint: planner::profile::Footprint::Process,
        cuts: vec![cut("in"), cut("mid"), cut("out")],
        pieces: vec![piece(30), piece(50)],
    };
    let text = |memory: u32| {
        format!("{HEAD}topology = {{ kind = \"mesh\", nodes = 4 }}\nnode = {{ memory = \"{memory} MiB\" }}")
    };
    let loaded = |memory| read(&text(memory), "x.toml", Path::new(""), &Overrides::default()).unwrap();
    assert_eq!(loaded(150).check_capacity(&profile).map_err(|errors| errors.to_string()), Ok(()));
    assert_eq!(check_capacity(&loaded(59).scenario, &profile).len(), 2);
    let report = loaded(65).check_capacity(&profile).unwrap_err().render(false, 120);
    assert!(report.contains("its part between \"mid\" and \"out\" can't be cut and needs 150.0 MiB"), "{report}");
    assert!(report.contains("[x.toml:3:18]") && report.contains("at least one worker 150 MiB"), "{report}");
}

fn pieces() -> impl Strategy<Value = String> {
    let snippets = [
        "[topology]\n",
        "kind = ",
        "\"wifi\"\n",
        "nodes = 4\n",
        "[[fault]]\n",
        "[fault]\n",
        "\"kill\"\n",
        "at = \"1 s\"\n",
        "target = [\"a\", ",
        "{ random = 3 }\n",
        "[node.n02]\n",
        "[[node]]\n",
        "name = \"é\"\n",
        "for = 3\n",
        "every = \"1 ns\"\n",
        "duration = \"20 s\"\n",
        "model = { name = \"tiny-cnn\" }\n",
        "loss = { p = 1 }\n",
        "= = ]",
        "\"\"\"",
        "'",
        "\r\n",
        "#",
        "seed = 99999999999999999999999999\n",
        "[[link]]\nends = [\"n00\", \"n01\"]\n",
        "groups = [[\"*\"], []]\n",
        "\u{0}",
        "🦀",
    ];
    prop::collection::vec(
        prop_oneof![4 => prop::sample::select(snippets.to_vec()).prop_map(str::to_owned), 1 => any::<String>()],
        0..20,
    )
    .prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in pieces(), set in prop::collection::vec(pieces(), 0..3)) {
        let overrides = Overrides { set, seed: None };
        if let Err(errors) = read(&text, "any", Path::new("/nowhere"), &overrides) {
            prop_assert!(!errors.errors.is_empty());
            prop_assert!(!errors.render(false, 80).is_empty());
        }
    }

    #[test]
    fn a_damaged_scenario_is_refused_or_read_but_never_panics(start in 0usize..4000, length in 0usize..60, other in ".{0,8}") {
        let text = include_str!("../../../scenarios/20node_fail.toml");
        let edge = |offset: usize| (offset.min(text.len())..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap();
        let damaged = format!("{}{other}{}", &text[..edge(start)], &text[edge(start + length)..]);
        if let Err(errors) = read(&damaged, "damaged", Path::new("/nowhere"), &Overrides::default()) {
            prop_assert!(!errors.errors.is_empty());
            prop_assert!(errors.render(false, 80).contains('×'));
        }
    }

    #[test]
    fn the_same_seed_resolves_to_the_same_scenario(seed: u64, nodes in 3u64..30, count in 1usize..3, kind in prop::sample::select(vec!["wifi", "mesh", "star", "line", "ring", "tree"])) {
        let text = format!(
            "topology = {{ kind = \"{kind}\", nodes = {nodes} }}\n\
             [[fault]]\nkind = \"pause\"\ntarget = {{ random = {count} }}\nat = \"1 s\"\nfor = \"1 s\"\nevery = \"4 s\"\n\
             [[fault]]\nkind = \"blackhole\"\ntarget = \"random\"\nat = \"2 s\"\nfor = \"1 s\"\n"
        );
        let resolve = || with(&Overrides { seed: Some(seed), ..Overrides::default() }, &text);
        match (resolve(), resolve()) {
            (Ok(one), Ok(other)) => {
                prop_assert_eq!(&one, &other);
                // It also survives being written down, as a run does with it.
                let json = serde_json::to_string(&one).unwrap();
                prop_assert_eq!(serde_json::from_str::<Scenario>(&json).unwrap(), one);
            }
            (one, _) => prop_assert!(one.is_err() && nodes < 5),
        }
    }
}
