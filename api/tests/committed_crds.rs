//! The CRDs that are installed are those that the types give.

use std::collections::BTreeMap;
use std::fs;

use ferrolb_api::crds;
use serde_json::{Value, json};

#[path = "../examples/crds/render.rs"]
mod render;

#[test]
fn the_files_in_charts_crds_are_up_to_date() {
    let folder = render::committed();
    let there: BTreeMap<String, String> = fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap()))
        .collect();
    let wanted = render::files().unwrap();
    let changed: Vec<_> =
        wanted.keys().chain(there.keys()).filter(|name| wanted.get(*name) != there.get(*name)).collect();
    assert!(
        changed.is_empty(),
        "{changed:?} in {} differ from what the types give: run `cargo run -p ferrolb-api --example crds`, and remove \
         what is of no kind any more",
        folder.display(),
    );
}

#[test]
fn what_is_written_is_what_the_types_give() {
    let files = render::files().unwrap();
    for crd in crds::all() {
        let read: Value = serde_yaml::from_str(&files[&format!("{}.yaml", crds::name(&crd))]).unwrap();
        let read: k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition =
            serde_json::from_value(read).unwrap();
        assert_eq!(read, crd);
    }
    assert!(!files.values().any(|text| text.contains("caBundle") || text.contains("Auto-generated")));
}

#[test]
fn conversion_is_left_to_the_webhook() {
    let peers = crds::all().into_iter().find(|crd| crds::name(crd) == "bgppeers.metallb.io").unwrap();
    assert_eq!(peers.spec.conversion, None);
    let converted = crds::with_conversion(peers.clone(), "lb", "metallb-webhook-service", Some(b"PEM".to_vec()));
    assert_eq!(
        serde_json::to_value(&converted.spec.conversion).unwrap(),
        json!({
            "strategy": "Webhook",
            "webhook": {
                "clientConfig": {
                    "caBundle": "UEVN",
                    "service": { "name": "metallb-webhook-service", "namespace": "lb", "path": "/convert" },
                },
                "conversionReviewVersions": ["v1", "v1beta1"],
            },
        })
    );
    let mut without = converted;
    without.spec.conversion = None;
    assert_eq!(without, peers, "nothing else changes");
}
