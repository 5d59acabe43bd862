//! Whatever comes from the network: nothing panics, nothing is answered but questions for what is announced, and no frame
//! leads to more than a few.
//!
//! `SEED` and `FUZZ_ITERATIONS` choose another run than the one of `cargo test`, `FUZZ_SECONDS=60` one for a time.

#[cfg(test)]
mod announcer;
#[cfg(test)]
mod corpus;
