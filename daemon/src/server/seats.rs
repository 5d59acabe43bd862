//! Who holds one of the connections that there are, and who has to go when all are taken and somebody else comes.
//!
//! A client that only holds on to its connection keeps nobody out: whoever is not being answered makes room, those who
//! have not got an answer worth having first, and of them the one that has been silent for longest.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// All connections of a server; cheap to clone.
#[derive(Clone)]
pub(super) struct Seats {
    limit: usize,
    taken: Arc<Mutex<Taken>>,
    /// A seat is free, or somebody could be asked to leave; one waits for it at most.
    changed: Arc<Notify>,
}

#[derive(Default)]
struct Taken {
    seats: BTreeMap<u64, Seat>,
    /// Numbers seats and what happens, in order.
    clock: u64,
}

struct Seat {
    state: State,
    /// Whether a request was answered with success.
    welcome: bool,
    /// When it last fell silent.
    since: u64,
    leave: CancellationToken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Silent,
    Answered,
    /// It was asked to.
    Leaving,
}

/// The right to a connection, until it is dropped.
pub(super) struct Ticket {
    seats: Seats,
    number: u64,
    /// Cancelled when somebody else needs the seat.
    pub(super) leave: CancellationToken,
}

// === impl Seats ===

impl Seats {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit: limit.max(1), taken: Arc::default(), changed: Arc::default() }
    }

    /// Waits for a seat, which somebody may have to leave first. Cancel-safe: whoever was asked to leave leaves, and
    /// the next one gets the seat.
    pub(super) async fn take(&self) -> Ticket {
        loop {
            if let Some(ticket) = self.try_take() {
                return ticket;
            }
            self.changed.notified().await;
        }
    }

    fn try_take(&self) -> Option<Ticket> {
        let mut taken = self.taken.lock();
        if taken.seats.len() < self.limit {
            taken.clock += 1;
            let (number, leave) = (taken.clock, CancellationToken::new());
            let seat = Seat { state: State::Silent, welcome: false, since: number, leave: leave.clone() };
            taken.seats.insert(number, seat);
            return Some(Ticket { seats: self.clone(), number, leave });
        }
        // One at a time: the seat of whoever leaves already will do.
        if taken.seats.values().all(|seat| seat.state != State::Leaving) {
            let silent = taken.seats.values_mut().filter(|seat| seat.state == State::Silent);
            if let Some(seat) = silent.min_by_key(|seat| (seat.welcome, seat.since)) {
                seat.state = State::Leaving;
                seat.leave.cancel();
            }
        }
        None
    }

    fn change(&self, number: u64, change: impl FnOnce(&mut Seat, u64)) {
        let mut taken = self.taken.lock();
        taken.clock += 1;
        let now = taken.clock;
        if let Some(seat) = taken.seats.get_mut(&number) {
            change(seat, now);
        }
    }
}

// === impl Ticket ===

impl Ticket {
    /// A request has come, and is being answered.
    pub(super) fn asked(&self) {
        self.seats.change(self.number, |seat, _| seat.state = State::Answered);
    }

    /// It was answered, to its satisfaction or not.
    pub(super) fn answered(&self, success: bool) {
        self.seats.change(self.number, |seat, now| {
            seat.welcome |= success;
            seat.since = now;
            seat.state = if seat.leave.is_cancelled() { State::Leaving } else { State::Silent };
        });
        self.seats.changed.notify_one();
    }

    /// Whether a request is being answered.
    pub(super) fn is_being_answered(&self) -> bool {
        self.seats.taken.lock().seats.get(&self.number).is_some_and(|seat| seat.state == State::Answered)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.seats.taken.lock().seats.remove(&self.number);
        self.seats.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn take(seats: &Seats) -> Ticket {
        seats.take().now_or_never().unwrap()
    }

    /// Who has to leave when one more comes, in order.
    fn leavers(seats: &Seats, tickets: &mut Vec<(&'static str, Ticket)>) -> Vec<&'static str> {
        let mut left = Vec::new();
        while seats.try_take().is_none() {
            let Some(place) = tickets.iter().position(|(_, ticket)| ticket.leave.is_cancelled()) else { break };
            left.push(tickets.remove(place).0);
            // Keep the seat taken.
            tickets.push(("new", take(seats)));
            tickets.last().unwrap().1.asked();
        }
        left
    }

    #[tokio::test]
    async fn the_unwelcome_leave_before_the_welcome_and_the_longest_silent_first() {
        let seats = Seats::new(5);
        let names = ["refused", "silent", "busy", "welcome, silent for longer", "welcome"];
        let mut tickets: Vec<_> = names.map(|name| (name, take(&seats))).into();
        for place in [3, 4, 0] {
            let ticket = &tickets[place].1;
            ticket.asked();
            ticket.answered(place > 0);
        }
        tickets[2].1.asked();
        let left = leavers(&seats, &mut tickets);
        assert_eq!(left, ["silent", "refused", "welcome, silent for longer", "welcome"]);
        assert!(seats.try_take().is_none(), "all are being answered");
    }

    #[tokio::test]
    async fn whoever_comes_waits_until_somebody_was_answered() {
        let seats = Seats::new(1);
        let first = take(&seats);
        first.asked();
        let mut next = std::pin::pin!(seats.take());
        assert!(next.as_mut().now_or_never().is_none());
        assert!(first.is_being_answered() && !first.leave.is_cancelled());
        first.answered(true);
        assert!(next.as_mut().now_or_never().is_none());
        assert!(first.leave.is_cancelled() && !first.is_being_answered());
        drop(first);
        assert!(next.now_or_never().is_some());
    }
}
