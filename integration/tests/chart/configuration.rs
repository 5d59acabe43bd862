//! What the values say to announce, as controller and speaker read it.

use std::fs;

use ferrolb_config::values::ConfigMapText;
use ferrolb_config::{ObjectRef, legacy, parse};
use serde_json::Value;

use crate::helm::{GOOD, Rendered, helm, values_file};

/// The text of the ConfigMap.
fn text(rendered: &Rendered) -> ConfigMapText<'_> {
    let data = &rendered.one("ConfigMap", "config")["data"];
    ConfigMapText { config: data["config"].as_str(), values: data["values"].as_str() }
}

#[test]
fn the_map_says_the_same_as_the_file_of_values() {
    let Some(helm) = helm() else { return };
    for file in ["inline-layer2", "inline-bgp", "lists"] {
        let rendered = helm.template(&[file], &[]).unwrap();
        let object = ObjectRef::new("ConfigMap", "ferrolb-system", "config");
        let mapped = parse(&text(&rendered).read(&object).unwrap());
        let values: Value = serde_yaml::from_str(&fs::read_to_string(values_file(file)).unwrap()).unwrap();
        let direct = parse(&legacy::from_values(&values, file).unwrap());
        assert_eq!(mapped.config, direct.config, "{file}");
        assert!(!mapped.config.pools.is_empty(), "{file}");
        let fields = |parsed: &ferrolb_config::Parsed| {
            let field = |problem: &ferrolb_config::Problem| {
                let place = problem.field.replace("data.config", "configInline").replace("data.values.", "");
                (place, problem.message.clone())
            };
            parsed.problems.iter().map(field).collect::<Vec<_>>()
        };
        assert_eq!(fields(&mapped), fields(&direct), "{file}");
    }
}

#[test]
fn both_forms_stand_side_by_side() {
    let Some(helm) = helm() else { return };
    let set = ["ipAddressPools[0].name=other,ipAddressPools[0].addresses={203.0.113.0/24}"];
    let rendered = helm.template(&["inline-layer2"], &set).unwrap();
    let object = ObjectRef::new("ConfigMap", "ferrolb-system", "config");
    let parsed = parse(&text(&rendered).read(&object).unwrap());
    assert_eq!(parsed.problems, []);
    assert_eq!(parsed.config.pools.keys().collect::<Vec<_>>(), ["default", "other", "special-pool"]);
}

#[test]
fn without_configuration_there_is_no_map_that_could_be_in_the_way_of_another() {
    let Some(helm) = helm() else { return };
    for files in GOOD {
        let rendered = helm.template(files, &[]).unwrap();
        let says = files.iter().any(|file| ["inline-layer2", "inline-bgp", "lists"].contains(file));
        assert_eq!(rendered.find("ConfigMap", "config").is_some(), says, "{files:?}");
    }
}

#[test]
fn interfaces_to_exclude_are_mounted_only_where_they_are_not_those_that_are_built_in() {
    let Some(helm) = helm() else { return };
    let excluded = |sets: &[&str]| {
        let rendered = helm.template(&[], sets).unwrap();
        let map = rendered.find("ConfigMap", "ferrolb-excludel2")?;
        serde_yaml::from_str::<Value>(map["data"]["excludel2.yaml"].as_str().unwrap()).ok()
    };
    assert_eq!(excluded(&[]), None);
    let list = excluded(&["speaker.excludeInterfaces.patterns={^docker.*,^a:b$}"]).unwrap();
    assert_eq!(list, serde_json::json!({ "announcedInterfacesToExclude": ["^docker.*", "^a:b$"] }));
    let none = excluded(&["speaker.excludeInterfaces.enabled=false"]).unwrap();
    assert_eq!(none, serde_json::json!({ "announcedInterfacesToExclude": [] }));
}

#[test]
fn the_key_of_gossip_is_made_once_and_is_no_part_of_the_release() {
    let Some(helm) = helm() else { return };
    let rendered = helm.defaults();
    let secret = rendered.one("Secret", "ferrolb-gossip");
    // Neither at a rollback, which would bring an old key back, nor deleted with the release.
    let annotations = &secret["metadata"]["annotations"];
    assert_eq!(annotations["helm.sh/hook"], "pre-install,pre-upgrade");
    assert_eq!(annotations["argocd.argoproj.io/hook"], "Skip");
    let ring = secret["stringData"]["keys"].as_str().unwrap();
    assert_eq!(ferrolb_gossip::KeyRing::from_lines(ring).unwrap().len(), 1);
    let mounted = &rendered.pod("speaker")["spec"]["volumes"][1]["secret"]["secretName"];
    assert_eq!(mounted, "ferrolb-gossip");
    let own = helm.template(&[], &["speaker.gossip.existingSecret=ring"]).unwrap();
    assert!(own.all("Secret").is_empty());
    assert_eq!(own.pod("speaker")["spec"]["volumes"][1]["secret"]["secretName"], "ring");
}
