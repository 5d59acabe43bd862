//! Communities as people write them.

use ferrolb_bgp::wire::{Community, ExtendedCommunity, LargeCommunity, LinkBandwidth};

#[test]
fn a_community_is_two_numbers_or_a_name() {
    for (text, value) in [("65000:100", 0xfde8_0064), ("0:0", 0), ("65535:65535", u32::MAX), ("no-export", 0xffff_ff01)]
    {
        assert_eq!(text.parse::<Community>().unwrap(), Community(value));
    }
    assert_eq!("blackhole".parse::<Community>().unwrap().to_string(), "65535:666");
    assert_eq!(Community::GRACEFUL_SHUTDOWN.name(), Some("graceful-shutdown"));
    for wrong in ["", ":", "1", "1:", "65536:1", "1:65536", "+1:1", "1:2:3", " 1:2", "1:2 ", "No-Export", "large:1:2:3"]
    {
        let error = wrong.parse::<Community>().unwrap_err().to_string();
        assert!(error.contains("two numbers from 0 to 65535"), "{error}");
    }
}

#[test]
fn a_large_community_is_three_numbers() {
    let read: LargeCommunity = "large:4200000001:0:4294967295".parse().unwrap();
    assert_eq!(read, LargeCommunity { global: 4_200_000_001, local1: 0, local2: u32::MAX });
    assert_eq!(read.to_string(), "large:4200000001:0:4294967295");
    for wrong in ["large:1:2", "1:2:3", "large:1:2:3:4", "large:1:2:4294967296", "large:1::3", "large:-1:2:3"] {
        assert!(wrong.parse::<LargeCommunity>().is_err(), "{wrong}");
    }
}

#[test]
fn an_extended_community_comes_back() {
    let cases: [(&str, [u8; 8]); 8] = [
        ("rt:65000:100", [0, 2, 0xfd, 0xe8, 0, 0, 0, 100]),
        ("soo:65000:70000", [0, 3, 0xfd, 0xe8, 0, 1, 0x11, 0x70]),
        ("rt:4200000001:100", [2, 2, 0xfa, 0x56, 0xea, 1, 0, 100]),
        ("soo:192.0.2.1:100", [1, 3, 192, 0, 2, 1, 0, 100]),
        ("bandwidth:65000:125000000", [0x40, 4, 0xfd, 0xe8, 0x4c, 0xee, 0x6b, 0x28]),
        ("bandwidth-transitive:65000:125000000", [0, 4, 0xfd, 0xe8, 0x4c, 0xee, 0x6b, 0x28]),
        ("0x030c000000000008", [3, 12, 0, 0, 0, 0, 0, 8]),
        ("0x0202000000070001", [2, 2, 0, 0, 0, 7, 0, 1]),
    ];
    for (text, octets) in cases {
        assert_eq!(text.parse::<ExtendedCommunity>().unwrap(), ExtendedCommunity(octets), "{text}");
        assert_eq!(ExtendedCommunity(octets).to_string(), text);
    }
    for wrong in [
        "rt:1",
        "rt:65536:65536",
        "rt:1:4294967296",
        "xx:1:2",
        "0x03",
        "0x+30c00000000000",
        "bandwidth:65000:nan",
        "bandwidth:65536:1",
        "bandwidth:1:-1",
    ] {
        assert!(wrong.parse::<ExtendedCommunity>().is_err(), "{wrong}");
    }
}

#[test]
fn a_link_bandwidth_is_read_from_both_of_its_forms() {
    for transitive in [false, true] {
        let bandwidth = LinkBandwidth { transitive, asn: 65_000, bytes_per_second: 3.0 };
        assert_eq!(ExtendedCommunity::link_bandwidth(bandwidth).as_link_bandwidth(), Some(bandwidth));
    }
    let negative = LinkBandwidth { transitive: true, asn: 1, bytes_per_second: -1.0 };
    for none in [
        ExtendedCommunity::link_bandwidth(negative),
        ExtendedCommunity([0x40, 4, 0, 1, 0x7f, 0xc0, 0, 0]),
        ExtendedCommunity([0, 2, 0, 1, 0, 0, 0, 1]),
        ExtendedCommunity([1, 4, 0, 1, 0, 0, 0, 1]),
    ] {
        assert_eq!(none.as_link_bandwidth(), None);
    }
}
