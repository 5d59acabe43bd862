//! NOTIFICATION messages of the session, and how they read to people.

use std::fmt;

use bytes::BufMut as _;

use crate::wire::notification::{cease, code, state_machine};
use crate::wire::{Family, Notification};

/// Longest shutdown communication in octets (RFC 9003 section 2).
const TEXT: usize = 255;

/// The peer sent what its state does not allow (RFC 6608 section 3); the data is the type of the message.
pub(super) fn unexpected(subcode: u8, kind: u8) -> Notification {
    Notification::new(code::STATE_MACHINE, subcode, &[kind])
}

/// Cease with a text for the peer's people (RFC 9003); what does not fit is cut at the end of a character.
pub(super) fn cease_with(subcode: u8, text: &str) -> Notification {
    let mut end = text.len().min(TEXT);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    let text = text.get(..end).unwrap_or_default();
    if text.is_empty() {
        return Notification::cease(subcode);
    }
    let mut data = vec![u8::try_from(text.len()).unwrap_or(u8::MAX)];
    data.extend_from_slice(text.as_bytes());
    Notification::new(code::CEASE, subcode, &data)
}

/// The same as a Hard Reset: it ends graceful restart too, and carries what is meant (RFC 8538 section 3).
pub(super) fn hard_reset(inner: &Notification) -> Notification {
    let mut data = vec![inner.code, inner.subcode];
    data.extend_from_slice(&inner.data);
    Notification::new(code::CEASE, cease::HARD_RESET, &data)
}

/// Whether it is one.
pub(super) fn is_hard_reset(notification: &Notification) -> bool {
    (notification.code, notification.subcode) == (code::CEASE, cease::HARD_RESET)
}

/// Too many prefixes, with the family and the bound (RFC 4486 section 4).
pub(super) fn too_many_prefixes(family: Family, max: u32) -> Notification {
    let raw = family.raw();
    let mut data = Vec::with_capacity(7);
    data.put_u16(raw.afi);
    data.put_u8(raw.safi);
    data.put_u32(max);
    Notification::new(code::CEASE, cease::MAX_PREFIXES, &data)
}

/// The shutdown communication of a NOTIFICATION, also within a Hard Reset; none if there is none, or not in UTF-8 (RFC 9003
/// section 2). Characters that would upset a terminal are replaced.
pub fn shutdown_text(notification: &Notification) -> Option<String> {
    if is_hard_reset(notification) {
        let [code, subcode, data @ ..] = &*notification.data else { return None };
        let inner = Notification::new(*code, *subcode, data);
        return if is_hard_reset(&inner) { None } else { shutdown_text(&inner) };
    }
    if notification.code != code::CEASE || ![cease::SHUTDOWN, cease::RESET].contains(&notification.subcode) {
        return None;
    }
    let (length, rest) = notification.data.split_first()?;
    let text = std::str::from_utf8(rest.get(..usize::from(*length))?).ok()?;
    (!text.is_empty()).then(|| {
        text.chars().map(|letter| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter }).collect()
    })
}

/// A NOTIFICATION in words: numbers, name, text.
#[derive(Debug, Clone, Copy)]
pub struct Described<'a>(pub &'a Notification);

// === impl Described ===

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Notification { code, subcode, data } = self.0;
        write!(f, "{code}/{subcode} ({})", name(*code, *subcode))?;
        if is_hard_reset(self.0)
            && let [code, subcode, ..] = &**data
        {
            write!(f, ": {code}/{subcode} ({})", name(*code, *subcode))?;
        }
        match shutdown_text(self.0) {
            Some(text) => write!(f, ", \"{text}\""),
            None => Ok(()),
        }
    }
}

/// Names of the registry "BGP Error (Notification) Codes" and of its subcodes.
fn name(code: u8, subcode: u8) -> &'static str {
    match (code, subcode) {
        (code::HEADER, 1) => "connection not synchronized",
        (code::HEADER, 2) => "bad message length",
        (code::HEADER, 3) => "bad message type",
        (code::HEADER, _) => "message header error",
        (code::OPEN, 1) => "unsupported version number",
        (code::OPEN, 2) => "bad peer AS",
        (code::OPEN, 3) => "bad BGP identifier",
        (code::OPEN, 4) => "unsupported optional parameter",
        (code::OPEN, 6) => "unacceptable hold time",
        (code::OPEN, 7) => "unsupported capability",
        (code::OPEN, 11) => "role mismatch",
        (code::OPEN, _) => "OPEN message error",
        (code::UPDATE, 1) => "malformed attribute list",
        (code::UPDATE, 2) => "unrecognized well-known attribute",
        (code::UPDATE, 3) => "missing well-known attribute",
        (code::UPDATE, 4) => "attribute flags error",
        (code::UPDATE, 5) => "attribute length error",
        (code::UPDATE, 6) => "invalid ORIGIN attribute",
        (code::UPDATE, 8) => "invalid NEXT_HOP attribute",
        (code::UPDATE, 9) => "optional attribute error",
        (code::UPDATE, 10) => "invalid network field",
        (code::UPDATE, 11) => "malformed AS_PATH",
        (code::UPDATE, _) => "UPDATE message error",
        (code::HOLD_TIMER, _) => "hold timer expired",
        (code::STATE_MACHINE, state_machine::OPEN_SENT) => "unexpected message in OpenSent",
        (code::STATE_MACHINE, state_machine::OPEN_CONFIRM) => "unexpected message in OpenConfirm",
        (code::STATE_MACHINE, state_machine::ESTABLISHED) => "unexpected message in Established",
        (code::STATE_MACHINE, _) => "finite state machine error",
        (code::CEASE, cease::MAX_PREFIXES) => "maximum number of prefixes reached",
        (code::CEASE, cease::SHUTDOWN) => "administrative shutdown",
        (code::CEASE, cease::DECONFIGURED) => "peer de-configured",
        (code::CEASE, cease::RESET) => "administrative reset",
        (code::CEASE, cease::REJECTED) => "connection rejected",
        (code::CEASE, cease::CONFIGURATION) => "other configuration change",
        (code::CEASE, cease::COLLISION) => "connection collision resolution",
        (code::CEASE, cease::RESOURCES) => "out of resources",
        (code::CEASE, cease::HARD_RESET) => "hard reset",
        (code::CEASE, cease::BFD_DOWN) => "BFD down",
        (code::CEASE, _) => "cease",
        (code::ROUTE_REFRESH, _) => "ROUTE-REFRESH message error",
        (code::SEND_HOLD_TIMER, _) => "send hold timer expired",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shutdown_text_arrives_also_within_a_hard_reset() {
        let plain = cease_with(cease::SHUTDOWN, "back at noon");
        assert_eq!(plain.data.as_slice(), b"\x0cback at noon");
        assert_eq!(shutdown_text(&plain).as_deref(), Some("back at noon"));
        let hard = hard_reset(&plain);
        assert_eq!((hard.code, hard.subcode, hard.data[0], hard.data[1]), (6, 9, 6, 2));
        assert_eq!(shutdown_text(&hard).as_deref(), Some("back at noon"));
        assert_eq!(Described(&hard).to_string(), "6/9 (hard reset): 6/2 (administrative shutdown), \"back at noon\"");
        assert!(cease_with(cease::SHUTDOWN, "").data.is_empty());
    }

    #[test]
    fn a_long_text_is_cut_at_the_end_of_a_character() {
        let notification = cease_with(cease::RESET, &"é".repeat(200));
        assert_eq!(notification.data[0], 254);
        assert_eq!(notification.data.len(), 255);
        assert_eq!(shutdown_text(&notification), Some("é".repeat(127)));
        let whole = "x".repeat(255);
        assert_eq!(shutdown_text(&cease_with(cease::RESET, &whole)), Some(whole));
    }

    #[test]
    fn a_text_that_is_none_is_not_shown_and_control_characters_are_not_passed_on() {
        let text = |subcode, data: &[u8]| shutdown_text(&Notification::new(code::CEASE, subcode, data));
        assert_eq!(text(cease::SHUTDOWN, b""), None);
        assert_eq!(text(cease::SHUTDOWN, b"\x00"), None);
        assert_eq!(text(cease::SHUTDOWN, b"\x05abc"), None, "longer than what came");
        assert_eq!(text(cease::SHUTDOWN, b"\x02\xff\xfe"), None, "no UTF-8");
        assert_eq!(text(cease::COLLISION, b"\x01a"), None, "not of this subcode");
        assert_eq!(text(cease::HARD_RESET, b"\x06"), None);
        assert_eq!(text(cease::HARD_RESET, b"\x06\x09\x06\x09"), None);
        assert_eq!(text(cease::SHUTDOWN, b"\x03a\x1bb").as_deref(), Some("a\u{fffd}b"));
        assert_eq!(text(cease::SHUTDOWN, b"\x01ab").as_deref(), Some("a"), "what follows is ignored");
    }

    #[test]
    fn too_many_prefixes_names_family_and_bound() {
        assert_eq!(too_many_prefixes(Family::Ipv6, 258).data.as_slice(), [0, 2, 1, 0, 0, 1, 2]);
    }
}
