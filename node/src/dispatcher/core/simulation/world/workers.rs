//! What workers do: obey, load, compute, send, die.

use super::*;

impl World {
    /// A process that has said that something is too large for it is not asked for as much soon.
    pub(super) fn assert_not_refused(&self, stage: &Stage) {
        let process = self.nodes[stage.node].incarnation;
        let believed = |at: Instant| self.now.since(at) < Duration::from_secs(10);
        let said = |(node, of, need, at): &&(usize, u64, ByteSize, Instant)| {
            (*node, *of) == (stage.node, process) && *need <= stage.memory && believed(*at)
        };
        assert_eq!(self.refused.iter().find(said), None, "{stage:?} is too large");
    }

    /// What a worker does that finds a node behind it silent or gone.
    pub(super) fn watch_next(&mut self, node: usize) {
        let Some(held) = &self.nodes[node].memory.stage else { return };
        let hops: BTreeSet<usize> = held.next.values().copied().collect();
        let gone =
            |next: &usize| !self.nodes[*next].alive || self.nodes[*next].paused || self.broken.contains(&(node, *next));
        let (gone, there): (Vec<usize>, Vec<usize>) = hops.into_iter().partition(gone);
        gone.iter().for_each(|next| self.lose_next(node, *next));
        if gone.is_empty() && !there.is_empty() && self.nodes[node].memory.is_ready() {
            self.report_loaded(node);
        }
    }

    pub(super) fn report_loaded(&mut self, node: usize) {
        let it = &mut self.nodes[node];
        let Some(held) = it.memory.stage.as_mut().filter(|held| !held.loaded) else { return };
        held.loaded = true;
        let message = ToDispatcher::Loaded { epoch: held.epoch, loaded: held.cold, resident: ByteSize::ZERO };
        self.say(node, Some(message));
    }

    /// The data connection from `node` to a node behind it is gone.
    pub(super) fn lose_next(&mut self, node: usize, next: usize) {
        let it = &mut self.nodes[node];
        let Some(held) = &mut it.memory.stage else { return };
        if it.alive && !it.paused && held.lost.insert(next) {
            let message = ToDispatcher::NextLost { epoch: held.epoch, next: next as u32 };
            self.say(node, Some(message));
        }
    }

    pub(super) fn watch_feeds(&mut self) {
        for node in self.feeds.keys().copied().collect::<Vec<_>>() {
            let it = &self.nodes[node];
            if !it.alive || it.paused || self.broken.contains(&(DISPATCHER, node)) {
                self.lose_feed(node);
            }
        }
    }

    pub(super) fn lose_feed(&mut self, node: usize) {
        if let Some((epoch, told @ false)) = self.feeds.get_mut(&node) {
            *told = true;
            self.feed_inputs.push_back(Input::FeedLost { epoch: *epoch, node });
        }
    }

    pub(super) fn pump_node(&mut self) -> bool {
        let ready =
            |node: &usize| self.nodes[*node].alive && !self.nodes[*node].paused && !self.nodes[*node].inbox.is_empty();
        let ready: Vec<usize> = (1..NODES).filter(ready).collect();
        let (false, index) = (ready.is_empty(), self.choose(ready.len())) else { return false };
        let node = ready[index];
        let it = &mut self.nodes[node];
        match it.inbox.pop_front().unwrap() {
            // A new control connection replaces the old one, and the stage goes with the old one.
            ToNode::Accepted(session) => {
                (it.session, it.cut) = (Some(session), false);
                it.memory.end_session();
            }
            ToNode::Closed(session) if it.session == Some(session) => {
                it.session = None;
                it.memory.end_session();
            }
            ToNode::Message(session, message, shipped) if it.session == Some(session) => {
                self.obey(node, session, message, shipped);
            }
            _ => {}
        }
        self.load_next(node);
        true
    }

    /// A segment is loaded somewhere.
    pub(super) fn pump_load(&mut self) -> bool {
        let loads = |node: &usize| {
            let it = &self.nodes[*node];
            it.alive && !it.paused && it.memory.is_loading()
        };
        let loading: Vec<usize> = (1..NODES).filter(loads).collect();
        let (false, index) = (loading.is_empty(), self.choose(loading.len())) else { return false };
        let node = loading[index];
        let said = self.nodes[node].memory.loaded();
        self.say(node, said);
        self.watch_next(node);
        self.load_next(node);
        true
    }

    /// A worker that loads nothing begins with the next, if there is something to be loaded.
    pub(super) fn load_next(&mut self, node: usize) {
        let it = &mut self.nodes[node];
        let refuse = &mut it.refuse_ready;
        let limit = it.limit;
        let too_large = |segment: Segment| limit.is_some_and(|limit| plans::need(segment.from) > limit);
        let said = it.memory.load_next(|segment| std::mem::take(refuse) || too_large(segment));
        said.into_iter().for_each(|said| self.say(node, Some(said)));
    }

    pub(super) fn say(&mut self, node: usize, said: Option<ToDispatcher>) {
        let it = &mut self.nodes[node];
        if let (Some((session, message)), false) = (it.session.zip(said), it.cut) {
            it.outbox.push_back(Input::Said { node, session, message });
        }
    }

    pub(super) fn obey(&mut self, node: usize, session: u64, message: ToWorker, shipped: bool) {
        let it = &mut self.nodes[node];
        match message {
            ToWorker::Hello { worker, .. } => {
                assert_eq!(worker as usize, node);
                it.sequence += 1;
                let (incarnation, sequence) = (it.incarnation, it.sequence);
                let beat = Heartbeat { worker, incarnation, sequence, epoch: it.newest, work: it.work };
                it.outbox.push_back(Input::Heartbeat(beat));
            }
            ToWorker::Assign { epoch, .. } if epoch <= it.newest => {
                let message = ToDispatcher::Fenced { epoch, newest: it.newest };
                it.outbox.push_back(Input::Said { node, session, message });
            }
            ToWorker::Assign { epoch, stage, segment, next, .. } => {
                assert!(it.memory.stage.as_ref().is_none_or(|held| held.epoch < epoch));
                it.newest = epoch;
                let cold = it.memory.assign(segment);
                assert!(shipped || !cold, "the dispatcher took {segment:?} for held by {node}, and it is not");
                // What is there can be held.
                if cold && std::mem::take(&mut it.refuse) {
                    it.memory.drop_all();
                    let message = ToDispatcher::Refused { epoch, shortage: None, reason: "no".to_owned() };
                    it.outbox.push_back(Input::Said { node, session, message });
                    return;
                }
                let plan = &self.plans[&epoch];
                let it = &mut self.nodes[node];
                let Stage { segment: planned, memory: need, .. } = plan.stages[usize::from(stage)];
                assert_eq!(segment, planned);
                match it.limit.filter(|limit| cold && need > *limit) {
                    Some(_) if it.overcommits => return self.crash(node, false),
                    Some(limit) => {
                        it.memory.drop_all();
                        let (shortage, reason) = (Some(Shortage { need, limit }), "too large".to_owned());
                        let message = ToDispatcher::Refused { epoch, shortage, reason };
                        it.outbox.push_back(Input::Said { node, session, message });
                        return;
                    }
                    None => {}
                }
                let mut chains = BTreeMap::new();
                for hop in next {
                    assert_eq!(hop.address.ip(), IpAddr::V4(Ipv4Addr::new(10, 0, 0, hop.node as u8)));
                    chains.extend(hop.chains.into_iter().map(|chain| (chain, hop.node as usize)));
                }
                let through = |chain: &u16| plan.chains[usize::from(*chain)].stages.contains(&usize::from(stage));
                assert!((0..plan.chains.len() as u16).filter(through).eq(chains.keys().copied()));
                let unreadable = self.choose(4) == 0;
                let it = &mut self.nodes[node];
                let held = Held {
                    epoch,
                    stage,
                    segment,
                    next: chains,
                    ready: !cold,
                    cold,
                    unreadable: unreadable && cold,
                    waits: false,
                    loaded: false,
                    lost: BTreeSet::new(),
                };
                it.memory.stage = Some(held);
                self.watch_next(node);
            }
            ToWorker::File { epoch, .. } => it.memory.receive(epoch),
            ToWorker::Release { epoch } => {
                it.newest = it.newest.max(epoch);
                it.memory.release();
            }
            ToWorker::Prepare { order, segments } => {
                let said = it.memory.prepare(order, segments.into_iter().map(|wanted| wanted.segment).collect());
                said.into_iter().for_each(|said| self.say(node, Some(said)));
            }
        }
    }

    pub(super) fn pump_outbox(&mut self) -> bool {
        let ready: Vec<usize> = (1..NODES).filter(|node| !self.nodes[*node].outbox.is_empty()).collect();
        let (false, index) = (ready.is_empty(), self.choose(ready.len())) else { return false };
        let input = self.nodes[ready[index]].outbox.pop_front().unwrap();
        self.input(input);
        true
    }

    pub(super) fn pump_tensor(&mut self) -> bool {
        if self.tensors.is_empty() {
            return false;
        }
        let index = self.choose(self.tensors.len());
        let tensor = self.tensors.swap_remove(index);
        let it = &self.nodes[tensor.to];
        if self.broken.contains(&(tensor.from, tensor.to)) || it.paused {
            self.tensors.push(tensor);
            return false;
        }
        let Tensor { from, to, epoch, chain, request, passed } = tensor;
        let stages = &self.plans[&epoch].chains[usize::from(chain)].stages;
        let held = it.memory.stage.as_ref().filter(|held| held.epoch == epoch);
        if to == DISPATCHER {
            assert_eq!(passed, stages.len(), "it went through every stage of its chain");
            let payload = [request.to_le_bytes().to_vec(), epoch.to_le_bytes().to_vec()].concat().into();
            self.input(Input::Delivered { epoch, chain, request, payload });
        } else if let Some(held) = held {
            assert_eq!(usize::from(held.stage), stages[passed], "it came to the stage that is next on its chain");
            self.tensors.push(Tensor { from: to, to: held.next[&chain], passed: passed + 1, ..tensor });
            self.compute(to, epoch);
        } else if from == DISPATCHER && self.feeds.get(&to).is_some_and(|feed| feed.0 == epoch) {
            self.lose_feed(to);
        } else if from == DISPATCHER {
            // Of a connection that is closed already.
        } else if self.nodes[from].memory.stage.as_ref().is_some_and(|held| held.epoch == epoch) {
            self.lose_next(from, to);
        }
        true
    }

    /// A node has computed a request of its stage.
    pub(super) fn compute(&mut self, node: usize, epoch: u32) {
        let time = plans::COMPUTE.mul_f64(self.nodes[node].pace * self.load);
        let work = &mut self.nodes[node].work;
        let (requests, computed) =
            work.filter(|work| work.epoch == epoch).map_or((0, Duration::ZERO), |work| (work.requests, work.computed));
        *work = Some(Work { epoch, requests: requests + 1, computed: computed + time });
    }

    /// A node's process ends.
    pub fn crash(&mut self, node: usize, silent: bool) {
        let it = &mut self.nodes[node];
        (it.alive, it.paused, it.blameless) = (false, false, false);
        (it.session, it.memory, it.newest, it.work) = (None, Memory::default(), 0, None);
        it.inbox.clear();
        if let (Some(session), false) = (it.established.take(), silent) {
            it.outbox.push_back(Input::Disconnected { node, session });
        }
    }

    pub fn restart(&mut self, node: usize) {
        let it = &mut self.nodes[node];
        if !it.alive {
            it.alive = true;
            it.incarnation += 1;
            it.sequence = 0;
        }
    }
}
