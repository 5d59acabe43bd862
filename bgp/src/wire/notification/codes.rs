//! Codes and subcodes with their names (registries "BGP Error (Notification) Codes" and below).

macro_rules! codes {
    ($($(#[$doc:meta])* $module:ident { $($constant:ident = $code:literal, $name:literal;)* })*) => {
        $(
            $(#[$doc])*
            pub mod $module {
                $(#[doc = concat!($name, ".")] pub const $constant: u8 = $code;)*

                /// What the registry calls it.
                pub fn name(code: u8) -> Option<&'static str> {
                    match code {
                        $($constant => Some($name),)*
                        _ => None,
                    }
                }
            }
        )*
    };
}

codes! {
    /// Error codes.
    code {
        HEADER = 1, "Message Header Error";
        OPEN = 2, "OPEN Message Error";
        UPDATE = 3, "UPDATE Message Error";
        HOLD_TIMER = 4, "Hold Timer Expired";
        STATE_MACHINE = 5, "Finite State Machine Error";
        CEASE = 6, "Cease";
        ROUTE_REFRESH = 7, "ROUTE-REFRESH Message Error";
        SEND_HOLD_TIMER = 8, "Send Hold Timer Expired";
    }

    /// Subcodes of a Message Header Error.
    header {
        NOT_SYNCHRONIZED = 1, "Connection Not Synchronized";
        BAD_LENGTH = 2, "Bad Message Length";
        BAD_TYPE = 3, "Bad Message Type";
    }

    /// Subcodes of an OPEN Message Error.
    open {
        UNSPECIFIC = 0, "Unspecific";
        VERSION = 1, "Unsupported Version Number";
        PEER_AS = 2, "Bad Peer AS";
        IDENTIFIER = 3, "Bad BGP Identifier";
        PARAMETER = 4, "Unsupported Optional Parameter";
        HOLD_TIME = 6, "Unacceptable Hold Time";
        CAPABILITY = 7, "Unsupported Capability";
        ROLE = 11, "Role Mismatch";
    }

    /// Subcodes of an UPDATE Message Error.
    update {
        ATTRIBUTE_LIST = 1, "Malformed Attribute List";
        UNRECOGNIZED = 2, "Unrecognized Well-known Attribute";
        MISSING = 3, "Missing Well-known Attribute";
        FLAGS = 4, "Attribute Flags Error";
        LENGTH = 5, "Attribute Length Error";
        ORIGIN = 6, "Invalid ORIGIN Attribute";
        NEXT_HOP = 8, "Invalid NEXT_HOP Attribute";
        OPTIONAL = 9, "Optional Attribute Error";
        NETWORK = 10, "Invalid Network Field";
        AS_PATH = 11, "Malformed AS_PATH";
    }

    /// Subcodes of a Finite State Machine Error: the state in which a message came that it does not expect (RFC 6608).
    state_machine {
        UNSPECIFIED = 0, "Unspecified Error";
        OPEN_SENT = 1, "Receive Unexpected Message in OpenSent State";
        OPEN_CONFIRM = 2, "Receive Unexpected Message in OpenConfirm State";
        ESTABLISHED = 3, "Receive Unexpected Message in Established State";
    }

    /// Subcodes of Cease (RFC 4486, RFC 8538, RFC 9384).
    cease {
        MAX_PREFIXES = 1, "Maximum Number of Prefixes Reached";
        SHUTDOWN = 2, "Administrative Shutdown";
        DECONFIGURED = 3, "Peer De-configured";
        RESET = 4, "Administrative Reset";
        REJECTED = 5, "Connection Rejected";
        CONFIGURATION = 6, "Other Configuration Change";
        COLLISION = 7, "Connection Collision Resolution";
        RESOURCES = 8, "Out of Resources";
        HARD_RESET = 9, "Hard Reset";
        BFD_DOWN = 10, "BFD Down";
    }

    /// Subcodes of a ROUTE-REFRESH Message Error.
    refresh {
        BAD_LENGTH = 1, "Invalid Message Length";
    }
}

/// What the registry calls a subcode.
pub(super) fn subcode_name(error: u8, subcode: u8) -> Option<&'static str> {
    match error {
        code::HEADER => header::name(subcode),
        code::OPEN => open::name(subcode),
        code::UPDATE => update::name(subcode),
        code::STATE_MACHINE => state_machine::name(subcode),
        code::CEASE => cease::name(subcode),
        code::ROUTE_REFRESH => refresh::name(subcode),
        _ => None,
    }
}
