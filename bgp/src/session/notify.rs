//! What the session says in NOTIFICATION messages beyond what [`crate::wire`] has words for.

use crate::wire::Notification;
use crate::wire::notification::{Communication, code};

/// The peer sent what its state does not allow (RFC 6608 section 3); the data is the type of the message.
pub(super) fn unexpected(subcode: u8, kind: u8) -> Notification {
    Notification::new(code::STATE_MACHINE, subcode, &[kind])
}

/// The shutdown communication of a NOTIFICATION, also within a Hard Reset; none if there is none, or not in UTF-8 (RFC 9003
/// section 2). Characters that would upset a terminal are replaced.
pub fn shutdown_text(notification: &Notification) -> Option<String> {
    let inner = notification.inner();
    match inner.as_ref().unwrap_or(notification).communication()? {
        text @ Communication::Text(_) => Some(text.to_string()),
        Communication::Malformed(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::notification::cease;

    #[test]
    fn a_shutdown_text_arrives_also_within_a_hard_reset() {
        let plain = Notification::cease_with(cease::SHUTDOWN, "back at noon");
        assert_eq!(plain.data.as_slice(), b"\x0cback at noon");
        assert_eq!(shutdown_text(&plain).as_deref(), Some("back at noon"));
        let hard = plain.hard_reset();
        assert_eq!((hard.code, hard.subcode, hard.data[0], hard.data[1]), (6, 9, 6, 2));
        assert_eq!(shutdown_text(&hard).as_deref(), Some("back at noon"));
        assert_eq!(hard.to_string(), "6/9 (Hard Reset): 6/2 (Administrative Shutdown), \"back at noon\"");
        assert!(Notification::cease_with(cease::SHUTDOWN, "").data.is_empty());
    }

    #[test]
    fn a_long_text_is_cut_at_the_end_of_a_character() {
        let notification = Notification::cease_with(cease::RESET, &"é".repeat(200));
        assert_eq!(notification.data[0], 254);
        assert_eq!(notification.data.len(), 255);
        assert_eq!(shutdown_text(&notification), Some("é".repeat(127)));
        let whole = "x".repeat(255);
        assert_eq!(shutdown_text(&Notification::cease_with(cease::RESET, &whole)), Some(whole));
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
}
