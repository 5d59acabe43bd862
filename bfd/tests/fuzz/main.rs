//! Whatever comes from the network: nothing panics, nothing is read that is not written the same way, and no packet leads
//! to more than two.
//!
//! `SEED` and `FUZZ_ITERATIONS` choose another run than the one of `cargo test`, `FUZZ_SECONDS=60` one for a time.

#[cfg(test)]
mod packets;
