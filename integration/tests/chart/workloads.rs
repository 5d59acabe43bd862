//! Controller and speaker as pods: what they may, how they are found, and that their programs take the flags they get.

use clap::Parser;
use ferrolb_controller::run::ControllerArgs;
use ferrolb_daemon::flags::try_parse;
use ferrolb_speaker::run::SpeakerArgs;
use serde_json::{Value, json};

use crate::helm::{GOOD, Rendered, helm, values_file};

#[derive(Debug, Parser)]
struct Controller {
    #[command(flatten)]
    args: ControllerArgs,
}

#[derive(Debug, Parser)]
struct Speaker {
    #[command(flatten)]
    args: SpeakerArgs,
}

#[test]
fn the_programs_take_the_flags_that_they_get() {
    let Some(helm) = helm() else { return };
    for files in GOOD {
        let rendered = helm.template(files, &[]).unwrap();
        let line = |component| std::iter::once("program").chain(rendered.arguments(component));
        try_parse::<Controller>(line("controller")).unwrap_or_else(|error| panic!("{files:?}: {error}"));
        let named = line("speaker").chain(["--node-name=n1"]);
        try_parse::<Speaker>(named).unwrap_or_else(|error| panic!("{files:?}: {error}"));
    }
}

#[test]
fn the_flags_say_what_the_values_say() {
    let Some(helm) = helm() else { return };
    let rendered = helm.template(&["everything"], &[]).unwrap();
    let Speaker { args } =
        try_parse(["speaker", "--node-name=n1"].into_iter().chain(rendered.arguments("speaker"))).unwrap();
    assert_eq!((args.strategy.to_string(), args.partition_policy.to_string()), ("metallb".into(), "quorum".into()));
    assert_eq!((args.ml_bindport, args.ml_bindaddr), (7947, Some("2001:db8::1".parse().unwrap())));
    assert_eq!((args.gratuitous_arp_interval, args.cluster_id.as_deref()), (1_000_000, Some("berlin")));
    assert_eq!((args.gossip_profile.as_deref(), args.lb_class.as_str()), (Some("relaxed"), "ferrolb.io/lan"));
    let switches = [args.rebalance, args.announce_in_use, args.ignore_exclude_lb, args.ml_wan_config];
    assert_eq!(switches, [true; 4]);
    assert_eq!(args.daemon.log_level, ferrolb_daemon::LogLevel::Info, "the user's own flag counts last");
    // Every file that a flag names is mounted.
    for component in ["controller", "speaker"] {
        let container = rendered.container(component);
        let mounts = container["volumeMounts"].as_array().unwrap();
        for argument in rendered.arguments(component) {
            let Some((flag, path)) = argument.split_once('=').filter(|(_, path)| path.starts_with('/')) else {
                continue;
            };
            let mounted = |mount: &Value| path.starts_with(mount["mountPath"].as_str().unwrap());
            assert!(mounts.iter().any(mounted), "{flag} names {path}, which is not mounted");
        }
        let volumes = rendered.pod(component)["spec"]["volumes"].as_array().unwrap();
        let names = |list: &[Value]| list.iter().map(|entry| entry["name"].clone()).collect::<Vec<_>>();
        assert_eq!(names(mounts), names(volumes), "{component}");
    }
}

#[test]
fn the_key_of_an_installation_of_metallb_is_mounted_where_its_flag_says() {
    let Some(helm) = helm() else { return };
    let rendered = helm.template(&[], &["speaker.secretName=metallb-memberlist"]).unwrap();
    assert!(rendered.arguments("speaker").contains(&"--ml-secret-key-path=/etc/ml_secret_key"));
    let volumes = &rendered.pod("speaker")["spec"]["volumes"];
    assert_eq!(volumes[1]["secret"]["secretName"], "metallb-memberlist");
    assert_eq!(rendered.container("speaker")["volumeMounts"][1]["mountPath"], "/etc/ml_secret_key");
    let key = &rendered.one("Secret", "metallb-memberlist")["stringData"]["secretkey"];
    assert_eq!(key.as_str().unwrap().len(), 44, "32 bytes in base64");
}

#[test]
fn pods_may_do_what_they_need_and_no_more() {
    let Some(helm) = helm() else { return };
    for files in GOOD {
        let rendered = helm.template(files, &[]).unwrap();
        let speaker = &rendered.pod("speaker")["spec"];
        assert_eq!(speaker["hostNetwork"], true);
        assert_eq!(speaker["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{files:?}");
        let expected = json!({
            "runAsUser": 0, "runAsGroup": 0, "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"], "add": ["NET_RAW"] },
        });
        assert_eq!(rendered.container("speaker")["securityContext"], expected);
        let controller = &rendered.pod("controller")["spec"];
        assert!(controller.get("hostNetwork").is_none());
        let context = &controller["securityContext"];
        assert_eq!((&context["runAsNonRoot"], &context["runAsUser"]), (&json!(true), &json!(65534)), "{files:?}");
        assert_eq!(context["seccompProfile"]["type"], "RuntimeDefault", "{files:?}");
        let expected = json!({
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] },
        });
        assert_eq!(rendered.container("controller")["securityContext"], expected);
        for component in ["controller", "speaker"] {
            let volumes = rendered.pod(component)["spec"]["volumes"].as_array().cloned().unwrap_or_default();
            assert!(volumes.iter().all(|volume| volume.get("hostPath").is_none()), "{component}");
        }
    }
}

#[test]
fn tools_find_pods_containers_and_ports_by_the_names_they_look_for() {
    let Some(helm) = helm() else { return };
    for (release, namespace, name) in
        [("ferrolb", "ferrolb-system", "ferrolb"), ("metallb", "metallb-system", "metallb-ferrolb")]
    {
        let rendered = helm.template_as(release, namespace, &[], &[]).unwrap();
        for (component, kind) in [("controller", "Deployment"), ("speaker", "DaemonSet")] {
            let workload = rendered.one(kind, &format!("{name}-{component}"));
            let labels = &rendered.pod(component)["metadata"]["labels"];
            assert_eq!(labels["app.kubernetes.io/component"], component);
            assert_eq!(workload["spec"]["selector"]["matchLabels"], *labels, "nothing else in the selector");
            let ports = rendered.container(component)["ports"].as_array().unwrap();
            let metrics = ports.iter().find(|port| port["name"] == "metricshttps").unwrap();
            assert_eq!(metrics["containerPort"], 9120);
        }
        for object in &rendered.0 {
            let metadata = &object["metadata"];
            let cluster_wide = ["ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"];
            let kind = object["kind"].as_str().unwrap();
            let wide = cluster_wide.contains(&kind) || kind == "ValidatingWebhookConfiguration";
            assert_eq!(metadata.get("namespace").is_none(), wide, "{kind} {}", metadata["name"]);
            assert_eq!(metadata["labels"]["app.kubernetes.io/instance"], release, "{kind} {}", metadata["name"]);
        }
    }
}

#[test]
fn a_speaker_is_gone_in_seconds_and_stays_off_nodes_with_unknown_taints() {
    let Some(helm) = helm() else { return };
    let rendered = helm.defaults();
    let spec = &rendered.pod("speaker")["spec"];
    assert_eq!(spec["terminationGracePeriodSeconds"], 5);
    let tolerations = spec["tolerations"].as_array().unwrap();
    let keys: Vec<&str> = tolerations.iter().map(|toleration| toleration["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["node-role.kubernetes.io/master", "node-role.kubernetes.io/control-plane"]);
    let bare = helm.template(&[], &["speaker.tolerateMaster=false"]).unwrap();
    assert!(bare.pod("speaker")["spec"].get("tolerations").is_none());
}

#[test]
fn one_of_several_controllers_is_left_when_a_node_is_emptied() {
    let Some(helm) = helm() else { return };
    let rendered = helm.defaults();
    assert_eq!(rendered.one("Deployment", "ferrolb-controller")["spec"]["replicas"], 2);
    assert_eq!(rendered.one("PodDisruptionBudget", "ferrolb-controller")["spec"]["maxUnavailable"], 1);
    let spread = &rendered.pod("controller")["spec"]["topologySpreadConstraints"][0];
    assert_eq!(spread["topologyKey"], "kubernetes.io/hostname");
    let zones = helm.template(&["everything"], &[]).unwrap();
    let spread = &zones.pod("controller")["spec"]["topologySpreadConstraints"];
    assert_eq!(spread.as_array().unwrap().len(), 1, "the user's own replace ours");
    assert_eq!(spread[0]["topologyKey"], "topology.kubernetes.io/zone");
    let selector = &zones.one("Deployment", "lb-controller")["spec"]["selector"];
    assert_eq!(spread[0]["labelSelector"], *selector, "which pods are meant need not be said");
    let alone = helm.template(&[], &["controller.replicas=1"]).unwrap();
    assert!(
        alone.all("PodDisruptionBudget").is_empty(),
        "a budget over a single pod would keep its node from being emptied"
    );
}

#[test]
fn what_nobody_asked_for_is_not_there() {
    let Some(helm) = helm() else { return };
    let rendered = helm.defaults();
    let controller = rendered.container("controller");
    assert!(controller.get("volumeMounts").is_none(), "it keeps nothing");
    let volumes = rendered.pod("speaker")["spec"]["volumes"].as_array().unwrap();
    let names: Vec<&str> = volumes.iter().map(|volume| volume["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["run", "gossip-keys"]);
    for component in ["controller", "speaker"] {
        assert!(rendered.arguments(component).iter().all(|argument| !argument.contains("/etc/metrics")));
    }
    for kind in ["NetworkPolicy", "PrometheusRule", "ServiceMonitor", "PodMonitor", "ConfigMap"] {
        assert!(rendered.all(kind).is_empty(), "{kind}");
    }
    nothing_is_null(&rendered);
}

/// No object has a key without a value: a value that is missing would be printed so.
fn nothing_is_null(rendered: &Rendered) {
    for object in rendered.0.iter().filter(|object| object["kind"] != "CustomResourceDefinition") {
        let text = object.to_string();
        assert!(!text.contains("<no value>") && !text.contains(":null"), "{text}");
    }
}

#[test]
fn keys_that_are_left_without_a_value_are_as_if_they_were_not_there() {
    let Some(helm) = helm() else { return };
    let rendered = helm.template(&["nulls"], &[]).unwrap();
    nothing_is_null(&rendered);
    assert_eq!(rendered.arguments("speaker"), helm.defaults().arguments("speaker"));
    assert_eq!(rendered.container("controller")["image"], "ferrolb:0.1.0");
    let said = helm.template(&[], &["speaker.memberlist=null"]).unwrap_err();
    assert!(said.contains("at '/speaker': missing property 'memberlist'"), "{said}");
}

#[test]
fn what_is_switched_off_is_not_there() {
    let Some(helm) = helm() else { return };
    let rendered = helm.template(&[], &["speaker.enabled=false", "crds.enabled=false", "rbac.create=false"]).unwrap();
    let mut kinds: Vec<&str> = rendered.0.iter().map(|object| object["kind"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    let expected = ["Deployment", "PodDisruptionBudget", "Service", "ServiceAccount", "ValidatingWebhookConfiguration"];
    assert_eq!(kinds, expected);
    let rendered = helm.template(&[], &["controller.enabled=false"]).unwrap();
    assert!(rendered.all("Deployment").is_empty() && rendered.all("ValidatingWebhookConfiguration").is_empty());
    let off = ["controller.webhookMode=disabled", "prometheus.metricsPort=0", "controller.livenessProbe.enabled=false"];
    let rendered = helm.template(&[], &off).unwrap();
    assert!(rendered.all("ValidatingWebhookConfiguration").is_empty() && rendered.all("Service").is_empty());
    let container = rendered.container("controller");
    assert!(container.get("livenessProbe").is_none() && container.get("readinessProbe").is_some());
    assert!(rendered.arguments("controller").contains(&"--port=0"));
    let ports = container["ports"].as_array().unwrap();
    assert_eq!(ports.iter().map(|port| port["name"].as_str().unwrap()).collect::<Vec<_>>(), ["probes"]);
}

#[test]
fn helm_finds_nothing_to_complain_of() {
    let Some(helm) = helm() else { return };
    let chart = crate::helm::repository("charts/ferrolb");
    for files in GOOD {
        let files: Vec<_> = files.iter().map(|name| values_file(name)).collect();
        let mut arguments = vec!["lint", "--strict", chart.to_str().unwrap()];
        arguments.extend(files.iter().flat_map(|file| ["--values", file.to_str().unwrap()]));
        helm.run(&arguments).unwrap_or_else(|error| panic!("{files:?}: {error}"));
    }
}
