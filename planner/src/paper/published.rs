//! The figures that SEIFER's authors published (`data/README.md` says where).

use super::{Contender, Rules};

/// A published mean bottleneck latency over 50 clusters.
#[derive(Debug, Clone, PartialEq)]
struct Published {
    model: &'static str,
    capacity_mib: u64,
    nodes: usize,
    contender: Contender,
    seconds: f64,
}

/// The authors' names of the models whose figures there are, and the zoo's.
const MODELS: [(&str, &str); 2] = [("ResNet50", "resnet50"), ("MobileNetV2", "mobilenet-v2")];

/// All published tables.
#[derive(Debug, Clone)]
pub struct Tables(Vec<Published>);

impl Tables {
    /// Reads them.
    pub fn new() -> Tables {
        let k_path = include_str!("data/published_K-Path_Matching.csv");
        let greedy = include_str!("data/published_Joint_Optimization.csv");
        let random = include_str!("data/published_Random_Algorithm.csv");
        let rows = read(k_path, |classes| Contender::KPath { classes })
            .chain(read(greedy, |_| Contender::Greedy))
            .chain(read(random, |_| Contender::Random));
        Tables(rows.collect())
    }

    /// The published mean in seconds, where there is one.
    pub fn seconds(&self, rules: Rules, model: &str, capacity_mib: u64, nodes: usize, who: Contender) -> Option<f64> {
        let same = |row: &&Published| {
            (row.model, row.capacity_mib, row.nodes, row.contender) == (model, capacity_mib, nodes, who)
        };
        self.0.iter().find(same).filter(|_| rules == Rules::Seifer).map(|row| row.seconds)
    }
}

impl Default for Tables {
    fn default() -> Tables {
        Tables::new()
    }
}

/// Rows `model,capacity,nodes[,classes],seconds` below a heading.
fn read(file: &'static str, contender: impl Fn(usize) -> Contender + Copy) -> impl Iterator<Item = Published> {
    file.lines().skip(1).filter_map(move |line| {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let [name, capacity, nodes, classes @ .., seconds] = fields.as_slice() else { return None };
        let (_, model) = MODELS.iter().find(|(published, _)| published == name)?;
        let classes = classes.first().map_or(Some(0), |classes| classes.parse().ok())?;
        Some(Published {
            model,
            capacity_mib: capacity.parse().ok()?,
            nodes: nodes.parse().ok()?,
            contender: contender(classes),
            seconds: seconds.parse().ok()?,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_published_row_is_read() {
        let tables = Tables::new();
        let lines = |file: &str| file.lines().skip(1).filter(|line| !line.trim().is_empty()).count();
        let all = lines(include_str!("data/published_K-Path_Matching.csv"))
            + lines(include_str!("data/published_Joint_Optimization.csv"))
            + lines(include_str!("data/published_Random_Algorithm.csv"));
        assert_eq!(tables.0.len(), all);
        let greedy = tables.seconds(Rules::Seifer, "mobilenet-v2", 64, 5, Contender::Greedy);
        assert_eq!(greedy, Some(0.05864750469));
        assert_eq!(tables.seconds(Rules::True, "mobilenet-v2", 64, 5, Contender::Greedy), None);
    }
}
