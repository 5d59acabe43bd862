//! What a brain was told and what it decided, written down so that it can be played back elsewhere.
//!
//! A record is a folder of files of JSON lines. Each file stands for itself:
//!
//! ```text
//! {"format":1,"program":...,"node":...,"options":{...}}   Header: who wrote it, and what is missing before it
//! {"start":{"cluster":...,"view":...,"timers":...}}       everything that the brain knows
//! {"step":{"at":1200345,"told":{"view":{...}},"decided":{"claims":[...],"plan":{...},"next":...}}}
//! ...                                                     `at`: nanoseconds since the first input
//! "end"                                                   the program ended on purpose
//! ```
//!
//! Clusters, views and plans are written as what is different from those before. Anything that a brain is told derives
//! `Serialize` and `Deserialize`; passwords are left out where configuration is written. A field that is added gets a
//! default; anything else that changes the lines raises [`FORMAT`], and files of other formats are refused.
//!
//! The brain's side ([`Recorder`]) never waits. What cannot be written, because the disk is slow or full, is counted, and
//! the next file says how much is missing.

mod changes;
mod decided;
mod files;
mod line;
mod recorder;
mod replay;
mod scribe;
mod told;

pub use line::{FORMAT, Header, Lost};
pub use recorder::{Recorder, Settings};
pub use replay::{Act, Playback, ReplayError, replay};
