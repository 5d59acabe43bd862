//! Headers, and the messages that are little more.

use ferrolb_bgp::wire::{
    Family, Message, Notification, Parameters, RawFamily, RefreshKind, RouteRefresh, decode, encode_keepalive,
    notification,
};

use crate::support::{framed, one, parameters, refused, written};

#[test]
fn a_message_is_read_when_all_of_it_is_there() {
    let bytes = written(|out| {
        encode_keepalive(out);
        Notification::hold_timer_expired().encode(out);
    });
    for end in 0..19 {
        assert!(decode(&bytes[..end], &parameters()).unwrap().is_none());
    }
    for end in 19..bytes.len() {
        assert!(matches!(decode(&bytes[..end], &parameters()), Ok(Some((Message::KeepAlive, 19)))));
    }
    let (message, length) = decode(&bytes[19..], &parameters()).unwrap().unwrap();
    assert!(matches!(message, Message::Notification(sent) if sent == Notification::hold_timer_expired()));
    assert_eq!(length, 21);
}

#[test]
fn a_header_that_is_wrong_is_refused_before_the_rest_is_there() {
    let header = |marker: u8, length: u16, kind: u8| {
        let mut bytes = vec![marker; 16];
        bytes.extend(length.to_be_bytes());
        bytes.push(kind);
        bytes
    };
    let long = Parameters { max_receive: 65_535, ..parameters() };
    let cases = [
        (header(0xfe, 19, 4), parameters(), (1, vec![])),
        (header(0xff, 18, 4), parameters(), (2, vec![0, 18])),
        (header(0xff, 0, 2), parameters(), (2, vec![0, 0])),
        (header(0xff, 20, 4), parameters(), (2, vec![0, 20])),
        (header(0xff, 28, 1), parameters(), (2, vec![0, 28])),
        (header(0xff, 22, 2), parameters(), (2, vec![0, 22])),
        (header(0xff, 20, 3), parameters(), (2, vec![0, 20])),
        (header(0xff, 4097, 2), parameters(), (2, vec![0x10, 1])),
        (header(0xff, 4097, 3), parameters(), (2, vec![0x10, 1])),
        (header(0xff, 4097, 9), parameters(), (2, vec![0x10, 1])),
        (header(0xff, 19, 0), parameters(), (3, vec![0])),
        (header(0xff, 19, 6), parameters(), (3, vec![6])),
        // RFC 8654 section 4: not these two.
        (header(0xff, 4097, 1), long.clone(), (2, vec![0x10, 1])),
        (header(0xff, 4097, 4), long.clone(), (2, vec![0x10, 1])),
    ];
    for (bytes, parameters, (subcode, data)) in cases {
        let refused = refused(&bytes, &parameters);
        assert_eq!((refused.code, refused.subcode, refused.data.to_vec()), (1, subcode, data), "{bytes:?}");
    }
    for (length, parameters) in [(4096, parameters()), (4097, long.clone()), (65_535, long)] {
        assert!(decode(&header(0xff, length, 2), &parameters).unwrap().is_none());
    }
}

#[test]
fn a_route_refresh_comes_back() {
    for kind in [RefreshKind::Request, RefreshKind::Begin, RefreshKind::End, RefreshKind::Unknown(9)] {
        for family in [Family::Ipv4.raw(), Family::Ipv6.raw(), RawFamily { afi: 25, safi: 70 }] {
            let refresh = RouteRefresh { family, kind };
            let bytes = written(|out| refresh.encode(out));
            assert!(matches!(one(&bytes, &parameters()), Message::RouteRefresh(read) if read == refresh));
        }
    }
}

#[test]
fn a_route_refresh_of_the_wrong_length_is_refused_with_all_of_it() {
    for body in [&[][..], &[0, 1, 0], &[0, 1, 1, 1, 0], &[0, 1, 2, 1, 0]] {
        let bytes = framed(5, body);
        let refused = refused(&bytes, &parameters());
        assert_eq!((refused.code, refused.subcode, &refused.data[..]), (7, 1, &bytes[..]));
    }
    // RFC 5291 puts a filter behind a request.
    assert!(matches!(one(&framed(5, &[0, 1, 0, 1, 1, 64]), &parameters()), Message::RouteRefresh(_)));
}

#[test]
fn a_notification_comes_back_and_fits_every_peer() {
    let mut sent = Notification::new(6, 2, &[7; 5000]);
    assert_eq!(sent.data.len(), 4096 - 21);
    let bytes = written(|out| sent.encode(out));
    assert!(matches!(one(&bytes, &parameters()), Message::Notification(read) if read == sent));
    sent.data.extend([0; 10]);
    assert_eq!(written(|out| sent.encode(out)).len(), 4096);
}

#[test]
fn a_notification_reads_well() {
    use notification::cease;
    let texts = [
        (Notification::header(2, &[0, 18]), "1/2 (Bad Message Length)"),
        (Notification::open(11, &[]), "2/11 (Role Mismatch)"),
        (Notification::update(11, &[]), "3/11 (Malformed AS_PATH)"),
        (Notification::hold_timer_expired(), "4/0 (Hold Timer Expired)"),
        (Notification::state_machine(3), "5/3 (Receive Unexpected Message in Established State)"),
        (Notification::cease(cease::BFD_DOWN), "6/10 (BFD Down)"),
        (Notification::max_prefixes(Family::Ipv6, 100), "6/1 (Maximum Number of Prefixes Reached)"),
        (
            Notification::cease_with(cease::SHUTDOWN, "going\nhome \u{1b}[1m"),
            "6/2 (Administrative Shutdown), \"going\u{fffd}home \u{fffd}[1m\"",
        ),
        (Notification::cease_with(cease::RESET, ""), "6/4 (Administrative Reset)"),
        (
            Notification::cease_with(cease::SHUTDOWN, "drained").hard_reset(),
            "6/9 (Hard Reset): 6/2 (Administrative Shutdown), \"drained\"",
        ),
        (Notification::cease(cease::HARD_RESET).hard_reset().hard_reset(), "6/9 (Hard Reset)"),
        (
            Notification::new(6, cease::SHUTDOWN, &[3, 0xff, 0xfe, 0xfd]),
            "6/2 (Administrative Shutdown), \"0x03fffefd\"",
        ),
        (Notification::new(6, cease::SHUTDOWN, &[9, b'a']), "6/2 (Administrative Shutdown), \"0x0961\""),
        (Notification::new(6, cease::SHUTDOWN, &[0]), "6/2 (Administrative Shutdown)"),
        (Notification::new(7, 1, &[]), "7/1 (Invalid Message Length)"),
        (Notification::send_hold_timer_expired(), "8/0 (Send Hold Timer Expired)"),
        (Notification::new(6, 99, &[]), "6/99 (Cease)"),
        (Notification::new(99, 1, &[]), "99/1 (unknown)"),
    ];
    for (notification, text) in texts {
        assert_eq!(notification.to_string(), text);
    }
    assert_eq!(&Notification::max_prefixes(Family::Ipv6, 100).data[..], [0, 2, 1, 0, 0, 0, 100]);
}

#[test]
fn a_long_communication_is_cut_between_characters() {
    let sent = Notification::cease_with(2, &"ü".repeat(200));
    assert_eq!((sent.data.len(), sent.data[0]), (255, 254));
    assert!(sent.to_string().contains(&"ü".repeat(127)));
}
