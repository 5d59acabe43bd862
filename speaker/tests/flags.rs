//! Arguments made for MetalLB's speaker are taken as they are.

#![expect(clippy::unwrap_used, reason = "a helper of tests may fail the test")]

use clap::Parser;
use ferrolb_daemon::flags::try_parse;
use ferrolb_speaker::run::SpeakerArgs;

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    args: SpeakerArgs,
}

fn parsed(words: &[&str]) -> SpeakerArgs {
    let all = ["speaker", "--node-name=node-a", "--gossip-key-file=/key"].into_iter().chain(words.iter().copied());
    try_parse::<Cli>(all).unwrap().args
}

#[test]
fn every_flag_of_metallbs_speaker_is_accepted() {
    let args = parsed(&[
        "--pod-name=speaker-x",
        "--namespace=metallb-system",
        "--host=192.0.2.1",
        "--ml-bindaddr=192.0.2.1",
        "-ml-bindport=7946",
        "--ml-labels=app=metallb,component=speaker",
        "--ml-secret-key-path=/etc/ml_secret_key",
        "--ml-wan-config",
        "--port=9120",
        "--log-level=info",
        "--pprof-bind-address=:8080",
        "--health-probe-port=17472",
        "-lb-class",
        "metallb",
        "--ignore-exclude-lb",
        "--bgp-debounce-timeout=3000",
        "--frrk8s-namespace=frr-k8s-system",
        "--frrk8s-secret-passthrough",
        "--gratuitous-arp-interval=0",
        "--tls-min-version=VersionTLS12",
        "--tls-cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "--tls-curve-preferences=29",
        "--metrics-cert-dir=/certs",
    ]);
    assert_eq!(args.lb_class, "metallb");
    assert!(args.ml_wan_config && args.ignore_exclude_lb && !args.rebalance);
    assert_eq!((args.gratuitous_arp_interval, args.ml_bindport), (0, 7946));
}

#[test]
fn the_last_of_a_repeated_flag_counts_and_exclusions_are_a_list() {
    let args = parsed(&["--strategy=metallb", "--strategy=balanced", "--interface-exclude=^a,^b"]);
    assert_eq!(args.strategy.to_string(), "balanced");
    assert_eq!(args.interface_exclude, ["^a", "^b"]);
}

#[test]
fn what_a_choice_may_be_is_said_where_it_is_none() {
    for (flag, known) in [("--strategy=x", "balanced and metallb"), ("--partition-policy=x", "available and quorum")] {
        let error = try_parse::<Cli>(["speaker", "--node-name=a", flag]).unwrap_err().to_string();
        assert!(error.contains(known), "{error}");
    }
}
