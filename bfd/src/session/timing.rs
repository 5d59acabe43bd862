//! Which intervals hold while the peer does not know the new ones yet (RFC 5880 sections 6.5 and 6.8.3).

/// A second: nobody sends faster before the session is up (RFC 5880 section 6.8.3).
const SLOW: u32 = 1_000_000;

/// What we want of both directions, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Intervals {
    /// Desired Min TX.
    pub(super) tx: u32,
    /// Required Min RX.
    pub(super) rx: u32,
}

/// One poll sequence at a time: what changes meanwhile begins the next one, so that an answer never confirms what was not
/// asked.
#[derive(Debug)]
pub(super) struct Timing {
    wanted: Intervals,
    agreed: Intervals,
    polled: Option<Intervals>,
    /// Whether P was sent since the sequence began.
    asked: bool,
}

impl Timing {
    pub(super) fn new(wanted: Intervals) -> Self {
        Self { wanted, agreed: slowed(wanted), polled: None, asked: false }
    }

    pub(super) fn want(&mut self, wanted: Intervals, up: bool) {
        self.wanted = wanted;
        if up {
            self.begin();
        } else {
            self.slow();
        }
    }

    /// The session is up.
    pub(super) fn fast(&mut self) {
        self.begin();
    }

    /// It is no more.
    pub(super) fn slow(&mut self) {
        *self = Self::new(self.wanted);
    }

    /// F was received.
    pub(super) fn answered(&mut self) {
        if self.asked
            && let Some(polled) = self.polled.take()
        {
            self.agreed = polled;
            self.begin();
        }
    }

    fn begin(&mut self) {
        if self.polled.is_none() && self.wanted != self.agreed {
            self.polled = Some(self.wanted);
            self.asked = false;
        }
    }

    pub(super) fn is_polling(&self) -> bool {
        self.polled.is_some()
    }

    /// Whether a packet is to be sent with P now.
    pub(super) fn poll(&mut self) -> bool {
        self.asked |= self.is_polling();
        self.is_polling()
    }

    /// What packets say.
    pub(super) fn told(&self) -> Intervals {
        self.polled.unwrap_or(self.agreed)
    }

    /// What we send by: a longer interval only once the peer knows.
    pub(super) fn tx(&self) -> u32 {
        self.told().tx.min(self.agreed.tx)
    }

    /// What we judge the peer by: a shorter interval only once the peer knows.
    pub(super) fn rx(&self) -> u32 {
        self.told().rx.max(self.agreed.rx)
    }
}

fn slowed(wanted: Intervals) -> Intervals {
    Intervals { tx: wanted.tx.max(SLOW), ..wanted }
}
