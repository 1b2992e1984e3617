//! What the dispatcher concludes from nodes that are slow or too small, told as stories.

use std::time::Duration;

use planner::units::ByteSize;

use super::world::World;
use super::{Step, plans, serving};
use crate::dispatcher::core::Phase;
use crate::dispatcher::core::exchange::Input;

/// Lets so much time pass under load; the planner's question, if there is one, stays open.
fn serve(world: &mut World, seconds: u64) -> usize {
    super::go_on_without_planner(world, seconds as usize * 40)
}

/// The planner answers with the plan of this chain, so many times better.
fn answer(world: &mut World, chain: &[usize], gain: f64) {
    let attempt = world.question.take().expect("a question").attempt;
    let found = Ok(plans::plan(&[chain.to_vec()]).unwrap());
    world.input(Input::PlanFound { attempt, found, gain, took: Duration::ZERO });
}

#[test]
fn a_slow_node_is_left_for_a_better_plan_and_tried_again_later() {
    let mut world = serving(11, &[vec![1, 2, 3]]);
    serve(&mut world, 5);
    assert!(world.question.is_none() && world.slow.is_empty());
    world.step(Step::Slow { node: 2, times: 5.0 });
    serve(&mut world, 5);
    assert_eq!(world.slow, [2]);
    let question = world.question.as_ref().unwrap();
    assert!((question.lessons.pace[&2] - 5.0).abs() < 0.5 && question.excluded.is_empty(), "{question:?}");
    assert!(serve(&mut world, 2) > 20, "the plan in force goes on meanwhile");
    answer(&mut world, &[1, 4, 3], 4.0);
    serve(&mut world, 2);
    assert_eq!((world.core.epoch(), world.slow.len()), (2, 1));
    assert!(world.question.is_none(), "it is not tried again at once");
    serve(&mut world, 10);
    let question = world.question.as_ref().unwrap();
    assert!(question.lessons.pace.is_empty(), "{question:?}");
    answer(&mut world, &[1, 2, 3], 1.0);
    serve(&mut world, 5);
    assert_eq!((world.core.epoch(), world.kept), (2, 1), "what is tried again must be worth it");
}

#[test]
fn a_slow_node_keeps_its_stage_if_no_other_plan_is_much_better_and_is_seen_to_be_well_again() {
    let mut world = serving(12, &[vec![1, 2, 3]]);
    world.step(Step::Slow { node: 3, times: 5.0 });
    serve(&mut world, 5);
    answer(&mut world, &[1, 2, 4], 1.1);
    assert!(matches!(world.core.phase, Phase::Serving));
    assert!(serve(&mut world, 30) > 100);
    assert_eq!((world.core.epoch(), world.kept, world.slow.as_slice()), (1, 1, &[3][..]), "that is said once");
    world.step(Step::Slow { node: 3, times: 1.0 });
    serve(&mut world, 5);
    assert!(world.question.as_ref().unwrap().lessons.pace.is_empty());
}

#[test]
fn what_slows_all_nodes_is_no_straggler() {
    let mut world = serving(13, &[vec![1, 2], vec![3, 4]]);
    for times in [5.0, 1.0, 9.0, 3.0] {
        world.step(Step::Load { times });
        serve(&mut world, 5);
    }
    assert!(world.slow.is_empty() && world.question.is_none());
}

#[test]
fn a_node_that_is_lost_while_a_better_plan_is_sought_is_planned_around_in_any_case() {
    let mut world = serving(14, &[vec![1, 2, 3]]);
    world.step(Step::Slow { node: 2, times: 5.0 });
    serve(&mut world, 5);
    let wish = world.question.as_ref().unwrap().attempt;
    world.step(Step::Crash { node: 5, silent: false });
    serve(&mut world, 1);
    assert_eq!(world.question.as_ref().unwrap().attempt, wish, "it is no part of the plan");
    world.step(Step::Crash { node: 3, silent: false });
    serve(&mut world, 1);
    assert!(world.question.as_ref().unwrap().attempt > wish);
    answer(&mut world, &[1, 2, 4], 1.0);
    serve(&mut world, 2);
    assert_eq!((world.core.epoch(), world.kept), (2, 0));
}

#[test]
fn a_segment_that_is_refused_for_want_of_memory_is_put_elsewhere_and_the_node_stays() {
    let mut world = serving(15, &[vec![1, 2, 3]]);
    world.step(Step::Limit { node: 4, limit: 15, overcommits: false });
    world.step(Step::Crash { node: 2, silent: false });
    serve(&mut world, 1);
    answer(&mut world, &[1, 4, 3], f64::INFINITY);
    serve(&mut world, 1);
    let question = world.question.as_ref().expect("it is refused");
    assert_eq!(question.lessons.memory.get(&4), Some(&ByteSize::from_mib(15)));
    assert!(!question.excluded.contains(&4));
    answer(&mut world, &[4, 1, 3], f64::INFINITY);
    serve(&mut world, 2);
    assert!(matches!(world.core.phase, Phase::Serving));
    world.settle();
}

#[test]
fn a_node_whose_process_dies_of_a_segment_twice_does_not_get_it_a_third_time() {
    let mut world = serving(16, &[vec![1, 2, 3]]);
    world.step(Step::Limit { node: 4, limit: 15, overcommits: true });
    world.step(Step::Crash { node: 2, silent: false });
    for time in 0..2 {
        serve(&mut world, 2);
        let question = world.question.as_ref().unwrap();
        assert!(question.lessons.memory.is_empty(), "{time}: {question:?}");
        answer(&mut world, &[1, 4, 3], f64::INFINITY);
        // It takes its assignment, dies, and is started again.
        serve(&mut world, 1);
        world.restart(4);
        serve(&mut world, 1);
    }
    let question = world.question.as_ref().unwrap();
    assert!(question.lessons.memory[&4] < plans::need(1) && question.lessons.memory[&4] >= plans::need(0));
    world.settle();
}
