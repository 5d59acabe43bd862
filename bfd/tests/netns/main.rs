//! The driver against real daemons and against packets that no daemon would send, in network namespaces. Skipped, and
//! saying so, without the rights to make them or without the daemons.

#[cfg(test)]
mod crafted;
#[cfg(test)]
mod daemons;
#[cfg(test)]
mod lab;
#[cfg(test)]
mod paths;
