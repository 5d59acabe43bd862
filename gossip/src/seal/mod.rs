//! Sealed datagrams: who sent this, is it fresh, is it for us.
//!
//! * [`crypto`]: the primitives, all of them from `ring`, and nothing else knows that crate;
//! * [`envelope`]: the bytes round the ciphertext;
//! * [`window`]: which datagrams of a session were received before;
//! * [`channel`]: sessions, their admission, sealing and opening.
//!
//! **Key schedule.** Each start of a process draws a random session of 16 bytes. Its key is HKDF-SHA256 (RFC 5869) of the
//! group key with the session as salt and product and cluster id as info. Nonces are a counter from 0 under that key, so
//! none can repeat and no state needs to survive a restart.
//!
//! **Rotation.** A node may have several group keys: it seals with the first and opens with any. The key id in each header
//! says which; it follows from key and cluster id. Counter and window belong to the session, not to a key, so nothing can
//! be replayed by way of another key.
//!
//! **Freshness.** Within a session by counter and window (RFC 6479). A new session is admitted when its boot stamp is
//! newer than the one last seen from that address and within a minute of our clock; otherwise after it echoed a
//! challenge. Replies to datagrams of strangers are never longer than the datagram.

pub(crate) mod channel;
pub(crate) mod crypto;
pub(crate) mod envelope;
mod window;

pub(crate) use self::channel::{Channel, Opened};
