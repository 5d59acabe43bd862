//! The codec from outside: messages read, refused and written.

#[cfg(test)]
mod as4;
#[cfg(test)]
mod communities;
#[cfg(test)]
mod framing;
#[cfg(test)]
mod malformed;
#[cfg(test)]
mod open;
#[cfg(feature = "dissect")]
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod packing;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod support;
