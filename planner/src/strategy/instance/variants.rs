//! The same problem, but for something.

use super::{Instance, Link};

impl Instance {
    /// The same problem on some of the nodes, by their number here.
    pub fn restricted(&self, kept: &[usize]) -> Instance {
        let ends: Vec<usize> = kept.iter().copied().chain([self.dispatcher()]).collect();
        Instance {
            nodes: kept.iter().map(|node| self.nodes[*node]).collect(),
            end: self.end,
            bits: self.bits.clone(),
            time: self.time.clone(),
            slowdown: kept.iter().map(|node| self.slowdown[*node]).collect(),
            fit: kept.iter().map(|node| self.fit[*node].clone()).collect(),
            links: ends.iter().map(|from| ends.iter().map(|to| self.links[*from][*to]).collect()).collect(),
            power: ends.iter().map(|node| self.power[*node]).collect(),
            outside: self.outside,
        }
    }

    /// The same problem as if nothing counted but the time for which tensors are sent.
    pub fn transfers_only(&self) -> Instance {
        let mut instance = self.clone();
        instance.time.fill(0.0);
        instance.links.iter_mut().flatten().chain(&mut instance.outside).for_each(|link| link.delay = 0.0);
        instance
    }

    /// The same problem as if the piece behind each cut took so many seconds on every node.
    pub fn timed(&self, pieces: &[f64]) -> Instance {
        let mut instance = self.clone();
        for (cut, piece) in pieces.iter().take(self.end).enumerate() {
            instance.time[cut + 1] = instance.time[cut] + piece;
        }
        instance.slowdown.fill(1.0);
        instance
    }

    /// The same problem as if everyone could speak to everyone, at no cost.
    pub fn all_connected(&self) -> Instance {
        let mut instance = self.clone();
        for (from, row) in instance.links.iter_mut().enumerate() {
            row.iter_mut().enumerate().filter(|(to, _)| *to != from).for_each(|(_, link)| *link = Link::FREE);
        }
        instance
    }
}
