//! What can be wrong with what runs on the nodes.

/// A mistake about the workload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkloadMistake {
    /// Something of a model, where programs of others run.
    #[error("{0} belongs to a workload of kind \"inference\", and this one is of kind \"command\"")]
    OfInference(String),
    /// Something of programs of others, where a model runs.
    #[error("{0} belongs to a workload of kind \"command\", and this one is of kind \"inference\"")]
    OfCommands(String),
    /// Commands that only one node can have, for many.
    #[error("a `{0}` belongs to one node")]
    OfMany(&'static str),
    /// Two probes of the same name.
    #[error("two probes are named {0:?}")]
    ProbeTwice(String),
    /// No probe, and no program that would tell of anything.
    #[error("nothing is measured")]
    NothingMeasured,
    /// A probe that is open and closed.
    #[error("a probe has either a `rate` or a `concurrency`")]
    RateAndConcurrency,
    /// Nothing that could be asked of a server.
    #[error("{0:?} can't be asked for")]
    NotAPath(String),
    /// Too few nodes for a model.
    #[error("a model needs 3 nodes or more, and this cluster has {0}")]
    TooFewNodes(usize),
}

impl WorkloadMistake {
    /// What stands at the caret.
    pub fn label(&self) -> &'static str {
        match self {
            WorkloadMistake::OfInference(_) | WorkloadMistake::OfCommands(_) => "nothing reads this",
            WorkloadMistake::OfMany(_) => "for many",
            WorkloadMistake::ProbeTwice(_) => "again here",
            WorkloadMistake::RateAndConcurrency => "this one, too",
            WorkloadMistake::NothingMeasured | WorkloadMistake::NotAPath(_) | WorkloadMistake::TooFewNodes(_) => "here",
        }
    }

    /// How to put it right.
    pub fn help(&self) -> Option<&'static str> {
        Some(match self {
            WorkloadMistake::OfInference(_) => "leave it out; docs/workloads.md says what programs of others have",
            WorkloadMistake::OfCommands(_) => "for programs of your own, write [workload] with kind = \"command\"",
            WorkloadMistake::OfMany(_) => "write it in [node.NAME]",
            WorkloadMistake::NothingMeasured => "write a [[probe]], or give a node a `load` or a `check`",
            WorkloadMistake::RateAndConcurrency => "leave one of them out",
            WorkloadMistake::NotAPath(_) => "a path begins with a slash and has no spaces, such as \"/health\"",
            WorkloadMistake::TooFewNodes(_) => "one client, one dispatcher, and at least one worker",
            WorkloadMistake::ProbeTwice(_) => return None,
        })
    }
}
