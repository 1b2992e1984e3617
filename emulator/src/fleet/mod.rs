//! The processes: one per node, in its namespaces, within its limits, with its logs.

pub mod cgroup;
