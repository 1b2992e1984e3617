//! `emu plan`: which part of the model would run where, and what that is predicted to cost.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use planner::strategy::{Front, Objective, Problem, Replicas, StrategyKind};
use serde_json::json;

use crate::exit::Exit;
use crate::model::{self, Inputs};
use crate::report::pareto::ParetoView;
use crate::report::plan::{Answer, PlanView, comparison};
use crate::report::plan_svg::svg;
use crate::scenario::{Aim, Overrides, load};

/// Arguments of `emu plan`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  emu plan scenarios/quickstart.toml
  emu plan scenarios/20node_fail.toml --strategy optimal,kpath,greedy,random
  emu plan scenarios/20node_fail.toml --pareto
  emu plan scenarios/20node_fail.toml --svg plan.svg
  emu plan scenarios/20node_fail.toml --replicas auto --json | jq .plan.throughput_per_s")]
pub struct PlanArgs {
    /// The scenario file.
    scenario: PathBuf,
    /// Strategies to compare, instead of the scenario's.
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    strategy: Vec<StrategyKind>,
    /// What is to be best, instead of the scenario's objective.
    #[arg(long, value_enum)]
    objective: Option<Aim>,
    /// Requests per second that the plan must sustain, for the objective `latency`, `energy` or `nodes`.
    #[arg(long, value_name = "PER_SECOND", default_value_t = 0.0, value_parser = rate, requires = "objective")]
    floor: f64,
    /// How many chains may share the requests, instead of the scenario's: a number, or `auto` for as many as help.
    #[arg(long, value_name = "N|auto", value_parser = replicas)]
    replicas: Option<Replicas>,
    /// Prints all plans of which no other has both more throughput and less latency.
    #[arg(long, conflicts_with_all = ["strategy", "objective", "floor", "replicas"])]
    pareto: bool,
    /// Draws the cluster and the plan (of the first strategy that finds one) into a file.
    #[arg(long, value_name = "FILE", conflicts_with = "pareto")]
    svg: Option<PathBuf>,
    /// Seconds after which a search is ended and the best plan found is told, with what could still be won.
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = rate)]
    time: f64,
    /// Replaces a value of the scenario. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Replaces the scenario's seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Prints JSON on standard output.
    #[arg(long)]
    json: bool,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if f64::is_finite(rate) && rate >= 0.0 => Ok(rate),
        _ => Err(format!("{text:?} is not a number of at least 0")),
    }
}

fn replicas(text: &str) -> Result<Replicas, String> {
    match (text, text.parse::<u32>()) {
        ("auto", _) => Ok(Replicas::Auto),
        (_, Ok(1)) => Ok(Replicas::One),
        (_, Ok(most)) if most > 1 => Ok(Replicas::Most(most)),
        _ => Err(format!("{text:?} is neither a number of at least 1 nor auto")),
    }
}

/// Runs it.
pub fn run(arguments: &PlanArgs) -> Exit {
    let overrides = Overrides { set: arguments.set.clone(), seed: arguments.seed };
    let loaded = match load(&arguments.scenario, &overrides) {
        Ok(loaded) => loaded,
        Err(errors) => {
            super::check::print(&errors);
            return Exit::Usage;
        }
    };
    let scenario = &loaded.scenario;
    let Some(inference) = scenario.inference() else {
        eprintln!("error: the scenario runs programs of others: there is no model to be planned");
        return Exit::Usage;
    };
    let inputs = Inputs { count: inference.inputs, seed: scenario.seed };
    let prepared = std::env::current_exe()
        .map_err(|error| model::ModelError::File { path: PathBuf::from("emu"), error })
        .and_then(|program| model::prepare(&program, &inference.model.source, inputs));
    let profile = match prepared {
        Ok(prepared) => prepared.profile,
        Err(error) => {
            super::complain(&error);
            return Exit::SetupFailed;
        }
    };
    if let Err(errors) = loaded.check_capacity(&profile) {
        super::check::print(&errors);
        return Exit::Usage;
    }
    let cluster = scenario.cluster();
    let objective = arguments.objective.map_or(Some(inference.plan.objective), |aim| aim.objective(arguments.floor));
    let Some(objective) = objective else {
        eprintln!("error: without a rate of requests, nodes would idle for ever; say it with --floor");
        return Exit::Usage;
    };
    let replicas = arguments.replicas.unwrap_or(inference.plan.replicas);
    if objective != Objective::Throughput && replicas != Replicas::One {
        eprintln!("error: several chains are for the throughput, and the objective is another");
        return Exit::Usage;
    }
    let problem = Problem { objective, replicas, ..Problem::new(&profile, &cluster, inference.model.codec) };
    let patience = Duration::try_from_secs_f64(arguments.time).unwrap_or(Duration::MAX);
    if arguments.pareto {
        let began = Instant::now();
        let front = Front::of_plans(&problem, &|| began.elapsed() > patience);
        return match front {
            Ok(front) => {
                let took_s = began.elapsed().as_secs_f64();
                tell_front(&ParetoView::new(scenario, &profile, &front, took_s), &profile.model, arguments.json);
                Exit::Success
            }
            Err(error) => {
                super::complain(&error);
                Exit::SetupFailed
            }
        };
    }
    let title =
        |strategy: StrategyKind| format!("{} on {} nodes, strategy {strategy}", profile.model, scenario.nodes.len());
    let mut drawn: Option<String> = None;
    let mut answer = |strategy: StrategyKind| {
        let began = Instant::now();
        let found = strategy.plan(&problem, scenario.seed, &|| began.elapsed() > patience);
        let took_s = began.elapsed().as_secs_f64();
        let (plan, error) = match found {
            Ok(plan) => {
                drawn.get_or_insert_with(|| svg(scenario, &profile, &plan, &title(strategy)));
                (Some(PlanView::new(scenario, &profile, &plan)), None)
            }
            Err(error) => (None, Some(error.to_string())),
        };
        Answer { strategy, took_s, plan, error }
    };
    let wanted = if arguments.strategy.is_empty() { vec![inference.plan.strategy] } else { arguments.strategy.clone() };
    let answers: Vec<Answer> = wanted.into_iter().map(&mut answer).collect();
    tell(&answers, title, arguments.json);
    if let (Some(file), Some(drawn)) = (&arguments.svg, drawn)
        && let Err(error) = std::fs::write(file, drawn)
    {
        eprintln!("error: {} can't be written: {error}", file.display());
        return Exit::SetupFailed;
    }
    if answers.iter().any(|answer| answer.plan.is_some()) { Exit::Success } else { Exit::SetupFailed }
}

/// One strategy's plan in full, or several side by side.
fn tell(answers: &[Answer], title: impl Fn(StrategyKind) -> String, json: bool) {
    match answers {
        [answer] if json => super::print_json(answer),
        _ if json => super::print_json(&json!({ "strategies": answers })),
        [Answer { strategy, plan: Some(plan), .. }] => {
            drop(write!(std::io::stdout(), "{}", plan.text(&title(*strategy))));
        }
        [Answer { error: Some(error), .. }] => eprintln!("error: {error}"),
        _ => drop(write!(std::io::stdout(), "{}", comparison(answers))),
    }
}

fn tell_front(front: &ParetoView, model: &str, json: bool) {
    if json {
        super::print_json(&json!({ "pareto": front }));
    } else {
        drop(write!(std::io::stdout(), "{}", front.text(model)));
    }
}
