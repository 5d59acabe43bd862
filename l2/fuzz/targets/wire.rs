//! Any bytes as a frame: parsed without panic, and what was understood is understood again.
#![no_main]

use ferrolb_l2::wire::arp::ArpFrame;
use ferrolb_l2::wire::ndp::NdpFrame;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(frame) = ArpFrame::parse(bytes) {
        assert_eq!(ArpFrame::parse(&frame.encode()), Ok(frame));
    }
    if let Ok(frame) = NdpFrame::parse(bytes) {
        assert_eq!(NdpFrame::parse(&frame.encode()), Ok(frame));
    }
});
