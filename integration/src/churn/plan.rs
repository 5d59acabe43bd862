//! How often what befalls the controllers.

use rand::rngs::StdRng;
use rand::seq::SliceRandom;

/// How often each fault happens in a run; the seed decides on their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// kill -9 of the controller in charge, which is started again at once.
    pub restarts: usize,
    /// kill -9 of the controller in charge; the other replica takes over when the Lease has expired, after some 15 s.
    pub take_overs: usize,
    /// SIGTERM of the controller in charge: the other replica takes over at once.
    pub hand_overs: usize,
    /// The controller in charge is stopped (SIGSTOP) until the other replica has taken over, and goes on then.
    pub freezes: usize,
    /// kill -9 of the API server, which is started again.
    pub outages: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Restart,
    TakeOver,
    HandOver,
    Freeze,
    Outage,
}

// === impl Plan ===

impl Plan {
    /// For every run of the tests: within about a minute.
    pub const SHORT: Self = Self { restarts: 6, take_overs: 1, hand_overs: 1, freezes: 0, outages: 1 };
    /// For a soak: about half an hour.
    pub const LONG: Self = Self { restarts: 100, take_overs: 50, hand_overs: 10, freezes: 10, outages: 20 };

    pub(super) fn faults(&self, rng: &mut StdRng) -> Vec<Fault> {
        let Self { restarts, take_overs, hand_overs, freezes, outages } = *self;
        let mut faults: Vec<Fault> = [
            (Fault::Restart, restarts),
            (Fault::TakeOver, take_overs),
            (Fault::HandOver, hand_overs),
            (Fault::Freeze, freezes),
            (Fault::Outage, outages),
        ]
        .into_iter()
        .flat_map(|(fault, times)| std::iter::repeat_n(fault, times))
        .collect();
        faults.shuffle(rng);
        faults
    }
}
