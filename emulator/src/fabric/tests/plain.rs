//! A carrier without shapes: what remains of netem's where the kernel has no netem.

use std::collections::BTreeMap;

use crate::fabric::carrier::{Carrier, CarrierError, Plug, UNLIMITED_SEGMENTS, Vitals};
use crate::fabric::netem::medium;
use crate::fabric::veth::{self, Mac};
use crate::fabric::{Counters, Direction, Namespace, Shape};
use crate::scenario::network::Medium;

#[derive(Default)]
pub struct Plain {
    pub hubs: Vec<Namespace>,
}

impl Carrier for Plain {
    fn name(&self) -> &'static str {
        "plain"
    }
    fn add_link(&mut self, a: Plug<'_>, b: Plug<'_>, _: &Shape, _: &Shape) -> Result<(), CarrierError> {
        veth::create(a.end(), b.end()).map_err(CarrierError::netlink("joining"))
    }
    fn add_medium(&mut self, medium: &Medium, members: &[Plug<'_>]) -> Result<(), CarrierError> {
        self.hubs.push(medium::join(&medium.name, members)?);
        for sender in members {
            let others = members.iter().filter(|member| member.host != sender.host);
            let receivers: Vec<(usize, Mac)> = others.map(|member| (member.host, member.mac)).collect();
            sender.namespace.netlink(|socket| {
                medium::sort(socket, sender, &receivers)?;
                medium::verify_sorting(socket, sender, &receivers)
            })?;
        }
        Ok(())
    }
    fn start(&mut self) -> Result<(), CarrierError> {
        Ok(())
    }
    fn set_shape(&mut self, _: Direction, shape: &Shape) -> Result<Shape, CarrierError> {
        Ok(shape.clone())
    }
    fn counters(&mut self) -> Result<BTreeMap<Direction, Counters>, CarrierError> {
        Ok(BTreeMap::new())
    }
    fn vitals(&mut self) -> Result<Vitals, CarrierError> {
        Ok(Vitals::default())
    }

    fn longest_super_frame(&self, shape: &Shape) -> u32 {
        if shape.rate.is_some() { 1 } else { UNLIMITED_SEGMENTS }
    }
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
}
