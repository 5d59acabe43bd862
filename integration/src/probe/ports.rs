//! The client's source ports.
//!
//! A port that is used again can meet a leftover of its former connection in a node's conntrack and then go to an
//! endpoint that is long gone; that would be measured as an outage. So a lab hands its ports out in turn, and one run
//! never uses a port twice.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use crate::error::{Error, system};

/// The lowest port: below are the well-known ones.
const FIRST: u16 = 1024;
/// How many there are.
const COUNT: u32 = 65_536 - 1024;
/// The most that one run may have; some room is left for ports that somebody else holds.
const MOST_PER_RUN: u32 = 60_000;

/// The ports that were set aside for a run.
#[derive(Debug)]
pub(crate) struct Reservation {
    /// A file with the number of ports handed out so far; locked while it is changed.
    file: File,
    /// Of all ports ever handed out, the first of this run.
    begin: u32,
    count: u32,
}

impl Reservation {
    /// Sets `count` ports aside; `ledger` is the lab's file for that.
    ///
    /// # Errors
    /// [`Error::Refused`] when one run cannot have so many.
    pub(crate) fn take(ledger: &Path, count: u32) -> Result<Self, Error> {
        if count > MOST_PER_RUN {
            let reason = format!(
                "{count} connections need as many source ports, a run can have {MOST_PER_RUN}: shorten it (--for) or slow it down (--every)"
            );
            return Err(Error::Refused { reason });
        }
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(ledger);
        let mut taken = Self { file: file.map_err(system("open the list of source ports"))?, begin: 0, count };
        taken.update(|given| (given, given.wrapping_add(count))).map_err(system("take source ports"))?;
        Ok(taken)
    }

    /// The first port of this run; after 65535 comes 1024.
    pub(crate) fn first(&self) -> u16 {
        nth(self.begin)
    }

    /// Gives the ports back that this run did not need, unless another run has taken some since.
    pub(crate) fn keep_only(mut self, used: u32) -> Result<(), Error> {
        let (begin, end) = (self.begin, self.begin.wrapping_add(self.count));
        let kept = begin.wrapping_add(used.min(self.count));
        let back = self.update(|given| (begin, if given == end { kept } else { given }));
        back.map_err(system("give source ports back"))
    }

    /// Reads the number and replaces it, as one step.
    fn update(&mut self, change: impl FnOnce(u32) -> (u32, u32)) -> io::Result<()> {
        self.file.lock()?;
        let mut text = String::new();
        self.file.rewind()?;
        self.file.read_to_string(&mut text)?;
        let (begin, given) = change(text.trim().parse().unwrap_or(0));
        self.begin = begin;
        self.file.rewind()?;
        self.file.set_len(0)?;
        write!(self.file, "{given}")?;
        self.file.unlock()
    }
}

/// The `n`th port to be handed out; after the last comes the first again.
fn nth(n: u32) -> u16 {
    let offset = u16::try_from(n % COUNT).unwrap_or(0);
    FIRST.saturating_add(offset)
}

/// The port after `port`.
pub(super) fn after(port: u16) -> u16 {
    port.checked_add(1).unwrap_or(FIRST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_go_round_without_the_well_known_ones() {
        assert_eq!(nth(0), 1024);
        assert_eq!(nth(COUNT - 1), 65_535);
        assert_eq!(nth(COUNT), 1024);
        assert_eq!(after(65_535), 1024);
        assert_eq!(after(1024), 1025);
    }

    #[test]
    fn a_run_starts_where_the_last_one_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("ports");
        let first = Reservation::take(&ledger, 40_000).unwrap();
        assert_eq!(first.first(), 1024);
        first.keep_only(100).unwrap();
        let second = Reservation::take(&ledger, 500).unwrap();
        assert_eq!(second.first(), 1124);
        let third = Reservation::take(&ledger, 500).unwrap();
        assert_eq!(third.first(), 1624);
        second.keep_only(1).unwrap();
        assert_eq!(Reservation::take(&ledger, 1).unwrap().first(), 2124, "ports of a run at work are not given away");
    }

    #[test]
    fn a_run_that_would_use_ports_twice_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let refused = Reservation::take(&folder.path().join("ports"), 60_001);
        assert!(matches!(refused, Err(Error::Refused { .. })));
    }
}
