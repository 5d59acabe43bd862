//! The codec from outside: messages read, refused and written.

#[cfg(test)]
mod malformed;
#[cfg(test)]
mod open;
#[cfg(test)]
mod packing;
#[cfg(test)]
mod support;
