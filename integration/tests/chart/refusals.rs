//! Values that cannot be meant are refused, in words that say what to write instead.

use crate::helm::helm;

/// What Helm says of the defaults with `--set` of these.
fn complaint(sets: &[&str]) -> Option<String> {
    Some(helm()?.template(&[], sets).expect_err(&sets.join(" ")))
}

#[test]
fn unknown_keys_are_named_with_their_place() {
    for (set, words) in [
        ("speakr.enabled=true", "'speakr' not allowed"),
        ("speaker.tolerateMasters=true", "at '/speaker': additional properties 'tolerateMasters' not allowed"),
        ("speaker.gossip.profil=fast", "at '/speaker/gossip': additional properties 'profil' not allowed"),
        ("controller.livenessProbe.prot=1", "at '/controller/livenessProbe': additional properties 'prot' not allowed"),
        ("configInline.address-pool=", "at '/configInline': additional properties 'address-pool' not allowed"),
        ("ipAddressPools[0].name=a,ipAddressPools[0].adresses={10.0.0.0/24}", "at '/ipAddressPools/0'"),
        ("prometheus.podMonitor.enable=true", "at '/prometheus/podMonitor'"),
    ] {
        let Some(said) = complaint(&[set]) else { return };
        assert!(said.contains(words), "{set}: {said}");
    }
}

#[test]
fn values_of_a_wrong_type_or_beyond_their_bounds_are_named_with_their_place() {
    for (set, place) in [
        ("controller.replicas=two", "/controller/replicas"),
        ("speaker.strategy=random", "/speaker/strategy"),
        ("speaker.memberlist.mlBindPort=70000", "/speaker/memberlist/mlBindPort"),
        ("controller.webhookMode=on", "/controller/webhookMode"),
        ("image.digest=1234", "/image/digest"),
        ("ipAddressPools[0].addresses={10.0.0.0/24}", "/ipAddressPools/0"),
        ("bgpPeers[0].name=a,bgpPeers[0].myASN=64512,bgpPeers[0].peerPort=99999", "/bgpPeers/0/peerPort"),
        ("configInline.address-pools[0].name=a,configInline.address-pools[0].protocol=ospf", "protocol"),
        ("crds.validationFailurePolicy=fail", "/crds/validationFailurePolicy"),
        ("existingConfigMap=mine", "/existingConfigMap"),
    ] {
        let Some(said) = complaint(&[set]) else { return };
        assert!(said.contains(place), "{set}: {said}");
    }
}

#[test]
fn what_does_not_fit_together_is_refused_with_the_remedy() {
    for (sets, words) in [
        (&["image.repository=registry.example/metallb/speaker"][..], "remove image from your values"),
        (&["controller.image.repository=mirror.example/quay/metallb/controller"], "remove controller.image"),
        (&["speaker.image.repository=bitnami/metallb-speaker"], "remove speaker.image"),
        (
            &[
                "prometheus.podMonitor.enabled=true,prometheus.serviceMonitor.enabled=true,prometheus.rbacPrometheus=false",
            ],
            "keep one of them",
        ),
        (&["prometheus.podMonitor.enabled=true"], "name Prometheus' ServiceAccount"),
        (
            &["prometheus.podMonitor.enabled=true,prometheus.rbacPrometheus=false,prometheus.metricsPort=0"],
            "set a port, or remove the monitors",
        ),
        (&["speaker.secretName=a,speaker.gossip.existingSecret=b"], "keep one of them"),
        (&["tls.cipherSuites=TLS_X"], "set tls.minVersion to VersionTLS12"),
        (&["speaker.livenessProbe.port=9120"], "speaker.livenessProbe.port: 9120 is the port of the metrics"),
        (&["controller.replicas=0"], "set controller.enabled to false"),
    ] {
        let Some(said) = complaint(sets) else { return };
        assert!(said.contains(words), "{sets:?}: {said}");
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let Some(helm) = helm() else { return };
    let said = helm.template(&["metallb-defaults"], &["controller.replicas=0"]).unwrap_err();
    for words in ["registry.example/metallb/controller", "registry.example/metallb/speaker", "controller.replicas"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!said.contains("frrouting"), "that image has no meaning, so it does no harm: {said}");
}

#[test]
fn an_image_of_ones_own_mirror_is_taken() {
    let Some(helm) = helm() else { return };
    for (sets, image) in [
        (&["image.repository=mirror.example/lb/ferrolb"][..], "mirror.example/lb/ferrolb:0.1.0"),
        (&["image.tag=main"], "ferrolb:main"),
        (&["speaker.image.tag=main"], "ferrolb:main"),
        (&["speaker.image.repository=mirror.example/metal/ferrolb"], "mirror.example/metal/ferrolb:0.1.0"),
    ] {
        let rendered = helm.template(&[], sets).unwrap();
        assert_eq!(rendered.container("speaker")["image"], image, "{sets:?}");
    }
    let digest = format!("sha256:{}", "0a".repeat(32));
    let rendered = helm.template(&[], &[&format!("image.digest={digest},image.tag=main")]).unwrap();
    assert_eq!(rendered.container("controller")["image"], format!("ferrolb@{digest}"));
}
