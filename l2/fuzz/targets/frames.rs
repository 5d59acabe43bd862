//! Any frames for an announcer, one after the other with a length in front: what is answered is announced.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use ferrolb_l2::{Announcement, Announcer, Config, Input, Interface, MacAddr, Output, PortEvent};
use libfuzzer_sys::fuzz_target;

const VIPS: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
];

fn settle(announcer: &mut Announcer, now: Instant) {
    while let Some(output) = announcer.poll() {
        match output {
            Output::Filter { index, family, .. } => {
                announcer.handle(now, Input::Port { index, family, event: PortEvent::Open });
            }
            Output::Send(transmit) => assert!(VIPS.contains(&transmit.vip)),
            Output::Heard(heard) => assert!(VIPS.contains(&heard.vip)),
            Output::Groups { .. } | Output::Close { .. } => {}
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut now = Instant::now();
    let mut announcer = Announcer::new(Config::default());
    let mac = MacAddr(2, 0, 0, 0, 0, 1);
    let eth0 = Interface { name: "eth0".into(), index: 2, mac, up: true, link_local: None };
    announcer.handle(now, Input::Interfaces(vec![eth0]));
    let fresh = VIPS.map(|vip| Announcement { fresh: true, ..Announcement::everywhere(vip) });
    announcer.handle(now, Input::Announce(fresh.to_vec()));
    settle(&mut announcer, now);
    let mut rest = bytes;
    while let Some((&len, following)) = rest.split_first() {
        let (frame, following) = following.split_at(usize::from(len).min(following.len()));
        rest = following;
        announcer.handle(now, Input::Frame { index: 2, bytes: frame });
        settle(&mut announcer, now);
        now += Duration::from_millis(len.into());
        announcer.handle_deadline(now);
        settle(&mut announcer, now);
    }
});
