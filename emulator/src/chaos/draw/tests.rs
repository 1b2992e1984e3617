use proptest::prelude::*;

use super::*;

const MILLI: Duration = Duration::from_millis(1);

/// A client, a dispatcher, workers; and joined to a switch each, or each to each other.
fn cast(workers: usize, star: bool) -> Cast {
    let nodes = workers + 2;
    let mut names: Vec<String> = (0..nodes).map(|node| format!("n{node:02}")).collect();
    let mut neighbours = BTreeSet::new();
    if star {
        names.push("hub".to_owned());
        neighbours.extend((0..nodes).map(|node| (node, nodes)));
    } else {
        neighbours.extend((0..nodes).flat_map(|a| (a + 1..nodes).map(move |b| (a, b))));
    }
    Cast { names, workers: (2..nodes).collect(), dispatcher: 1, neighbours, nodes }
}

fn limits() -> impl Strategy<Value = Limits> {
    let weights = prop::collection::vec(0u64..4, KINDS.len());
    let times = (100u64..1500, 0u64..4000, 0u64..3000, 0u64..15_000);
    (weights, 0.1f64..5.0, times, 0usize..4, 0usize..6, any::<bool>()).prop_map(
        |(weights, rate, (shortest, longer, begin, length), down, left, dispatcher)| Limits {
            weights,
            rate,
            shortest: MILLI * shortest as u32,
            longest: MILLI * (shortest + longer) as u32,
            down,
            left,
            dispatcher,
            begin: MILLI * begin as u32,
            end: MILLI * (begin + length) as u32,
        },
    )
}

/// What a fault's table says of whom it hits.
fn named(fault: &Drawn) -> Vec<String> {
    let texts = |value: &Value| match value {
        Value::String(name) => vec![name.clone()],
        Value::Array(names) => names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect(),
        _ => panic!("{value}"),
    };
    match fault.table.get("target") {
        Some(target) => texts(target),
        None => texts(&fault.table["groups"].as_array().unwrap()[0]),
    }
}

proptest! {
    #[test]
    fn no_limit_is_ever_exceeded(
        limits in limits(), workers in 1usize..9, star in any::<bool>(), seed in any::<u64>(),
    ) {
        let cast = cast(workers, star);
        let drawn = draw(&limits, &cast, seed);
        prop_assert_eq!(&draw(&limits, &cast, seed), &drawn);
        for fault in &drawn {
            let kind = super::super::kinds::named(fault.table["kind"].as_str().unwrap()).unwrap();
            let index = KINDS.iter().position(|other| other.name == kind.name).unwrap();
            prop_assert!(limits.weights[index] > 0);
            prop_assert!(fault.at >= limits.begin && fault.end() <= limits.end);
            prop_assert!((limits.shortest..=limits.longest).contains(&fault.lasting));
            prop_assert_eq!(&fault.table["at"], &text(&format!("{} ms", fault.at.as_millis())));
            prop_assert_eq!(&fault.table["for"], &text(&format!("{} ms", fault.lasting.as_millis())));
            let names = named(fault);
            prop_assert!(!names.is_empty() && !names.contains(&cast.names[0]), "the client is hit: {:?}", names);
            if !limits.dispatcher {
                prop_assert!(!names.contains(&cast.names[1]), "the dispatcher is hit: {:?}", names);
            }
            if kind.aims == Aims::Neighbours {
                let host = |name: &String| cast.names.iter().position(|known| known == name).unwrap();
                let (a, b) = (host(&names[0]), host(&names[1]));
                prop_assert!(cast.neighbours.contains(&(a.min(b), a.max(b))));
            }
        }
        // At any moment: a set of nodes changes only when a fault fires.
        for moment in drawn.iter().map(|fault| fault.at) {
            let holding = drawn.iter().filter(|fault| fault.at <= moment && moment < fault.end());
            let down: BTreeSet<String> = holding.flat_map(|fault| {
                let kind = super::super::kinds::named(fault.table["kind"].as_str().unwrap()).unwrap();
                let count = match kind.aims {
                    _ if !kind.takes_down => 0,
                    Aims::Node | Aims::Neighbours | Aims::Pair => 1,
                    Aims::Group => usize::MAX,
                };
                named(fault).into_iter().take(count)
            }).collect();
            prop_assert!(down.len() <= limits.down, "{:?} are down", down);
            let whole = cast.workers.iter().filter(|worker| !down.contains(&cast.names[**worker])).count();
            prop_assert!(whole >= limits.left.min(cast.workers.len()), "{} workers are whole", whole);
        }
    }

    #[test]
    fn what_was_drawn_reads_back_from_the_text_it_is_written_as(limits in limits(), seed in any::<u64>()) {
        let drawn = draw(&limits, &cast(8, false), seed);
        let text = written(&drawn);
        let table: Table = toml::from_str(&text).unwrap();
        let faults: Vec<&Table> = table["fault"].as_array().unwrap().iter().filter_map(Value::as_table).collect();
        prop_assert_eq!(faults, drawn.iter().map(|fault| &fault.table).collect::<Vec<_>>());
    }
}

#[test]
fn seeds_differ_and_every_kind_is_drawn() {
    let limits = Limits {
        weights: KINDS.iter().map(|_| 1).collect(),
        rate: 1.0,
        shortest: MILLI * 300,
        longest: MILLI * 2000,
        down: 3,
        left: 4,
        dispatcher: true,
        begin: MILLI * 3000,
        end: MILLI * 60_000,
    };
    let cast = cast(8, false);
    let all: Vec<Drawn> = (0..50).flat_map(|seed| draw(&limits, &cast, seed)).collect();
    assert_ne!(draw(&limits, &cast, 1), draw(&limits, &cast, 2));
    for kind in KINDS {
        assert!(all.iter().any(|fault| fault.table["kind"].as_str() == Some(kind.name)), "{}", kind.name);
    }
    // About one a second was asked for, less what the limits forbid.
    assert!((50 * 15..50 * 65).contains(&all.len()), "{}", all.len());
}
