//! The kernel's forwarding side as this node sees it: its links, their addresses, and neighbours.
//!
//! | layer | module | what it knows |
//! | --- | --- | --- |
//! | decisions | [`links`] | the table of links, how changes fold into it, which links can announce |
//! | edges | `driver` | rtnetlink: dump, follow, dump again when something was missed; neighbours when asked |
//!
//! [`links`] does no I/O and builds without the feature `driver`.

#[cfg(feature = "driver")]
pub mod driver;
pub mod links;
