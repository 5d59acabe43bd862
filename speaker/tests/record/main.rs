//! What is recorded can be played back, whatever happens to the disk, and holds no secret.

#![expect(clippy::unwrap_used, reason = "a helper of tests may fail the test")]

mod life;
mod playing;
mod trouble;
