//! BFD (RFC 5880, 5881, 5883): whether a neighbour still forwards, found out within milliseconds.
