//! Reads the kernel's settings.

use std::collections::BTreeSet;
use std::fs;

use crate::announcer::Family;
use crate::conditions::{self, Condition};
use crate::interface::Interface;

/// What is wrong with the settings of this network namespace for addresses of `families` on `interfaces`, as far as they
/// can be read. Reads some ten small files of `/proc` per interface, so it is nothing for an event loop to do all the
/// time.
pub fn conditions(interfaces: &[Interface], families: &BTreeSet<Family>) -> Vec<Condition> {
    conditions::conditions(interfaces, families, |path| fs::read_to_string(format!("/proc/sys/net/{path}")).ok())
}
