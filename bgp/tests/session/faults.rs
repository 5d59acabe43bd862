//! What faults do.

use std::time::Duration;

use ferrolb_bgp::session::{BfdFailure, Input, Stop};
use ferrolb_bgp::wire::Family;
use rand::RngExt as _;

use crate::estate::Fault;
use crate::link::Life;
use crate::node::Process;
use crate::table::Table;
use crate::world::{Event, World};

impl World {
    pub(crate) fn boot(&mut self, node: usize, generation: u64) {
        if self.nodes[node].generation != generation || self.nodes[node].process.is_some() {
            return;
        }
        let config = self.estate.config(node, &mut self.random);
        self.log(&format!("node {node} starts, hold time {:?}, {:?}", config.hold_time, config.mode));
        let seed = self.random.random();
        let restarted = generation > 0;
        self.nodes[node].powered = true;
        self.nodes[node].generation += 1;
        let table = Table::new(&mut self.random);
        self.nodes[node].process = Some(Process::new(config, seed, restarted, self.now, table));
        self.input(node, Input::Start);
    }

    pub(crate) fn fault(&mut self, fault: Fault) {
        self.log(&format!("fault: {fault:?}"));
        match fault {
            Fault::LinkDown(time) => self.down_until = Some(self.now + time),
            Fault::Reset => {
                for link in 0..self.links.len() {
                    if self.links[link].is_alive() {
                        let (one, other) = (self.travel(), self.travel());
                        self.after(one, Event::Reset { link, at: 0 });
                        self.after(other, Event::Reset { link, at: 1 });
                    }
                }
            }
            Fault::Crash(node, time) => self.crash(node, time),
            Fault::PowerLoss(node, time) => {
                self.nodes[node].powered = false;
                self.crash(node, time);
            }
            Fault::Upgrade(node, time) => {
                self.input(node, Input::Stop(Stop::Shutdown { text: "upgrade".to_owned() }));
                self.crash(node, time);
            }
            Fault::Stall(node, time) => self.nodes[node].stalled_until = Some(self.now + time),
            Fault::Stop(node, stop) => self.input(node, Input::Stop(stop)),
            Fault::Both(stop) => {
                for node in 0..2 {
                    self.input(node, Input::Stop(stop.clone()));
                }
            }
            Fault::Start(node) => self.input(node, Input::Start),
            Fault::Configure(node) => {
                let config = self.estate.config(node, &mut self.random);
                self.input(node, Input::Configure(config));
            }
            Fault::Bfd(node, failure) => self.bfd(node, failure),
            Fault::PrefixLimit(node) => {
                self.input(node, Input::PrefixLimit { family: Family::Ipv4, max: 100 });
            }
            Fault::Refresh(node, family) => self.input(node, Input::Refresh { family }),
            Fault::Routes(node) => {
                if let Some(process) = &mut self.nodes[node].process {
                    process.table.change(&mut self.random);
                }
                self.act(node);
            }
        }
    }

    pub(crate) fn bfd(&mut self, node: usize, failure: BfdFailure) {
        self.input(node, Input::BfdDown(failure));
        self.after(Duration::from_secs(1), Event::BfdUp { node });
    }

    /// The process is gone; its kernel resets what was open, unless it is gone too.
    pub(crate) fn crash(&mut self, node: usize, time: Duration) {
        self.count();
        let Some(process) = self.nodes[node].process.take() else { return };
        let powered = self.nodes[node].powered;
        for link in process.links.into_values() {
            let life = self.links[link].ends[node].life;
            self.links[link].ends[node].vanish();
            if life == Life::Open && powered {
                let travel = self.travel();
                self.after(travel, Event::Reset { link, at: 1 - node });
            }
        }
        let generation = self.nodes[node].generation;
        self.after(time, Event::Boot { node, generation });
    }
}
