//! The CRDs as the real API server takes them.

use ferrolb_api::{DEFAULT_NAMESPACE, crds};
use ferrolb_integration::apiserver::ControlPlane;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use serde_json::{Value, json};

use crate::common::{apply, crds_text, create, plural, printed, shared_control_plane};

#[tokio::test]
async fn every_crd_is_accepted_without_a_warning_and_has_a_structural_schema() {
    let Some(cluster) = shared_control_plane().await else { return };
    // The shared control plane has applied them, and any warning would have failed that; again changes nothing.
    let again = printed(&apply(cluster, &crds_text()).await);
    let definitions: Api<CustomResourceDefinition> = Api::all(cluster.client().await.unwrap());
    for crd in crds::all() {
        let name = crd.metadata.name.unwrap();
        assert!(again.contains(&format!("{name} unchanged")), "{again}");
        let conditions = definitions.get(&name).await.unwrap().status.unwrap().conditions.unwrap();
        let of = |kind: &str| conditions.iter().find(|condition| condition.type_ == kind);
        assert_eq!(of("NamesAccepted").unwrap().status, "True", "{name}");
        assert!(of("NonStructuralSchema").is_none(), "{name}: {conditions:?}");
    }
}

#[tokio::test]
async fn kubectl_shows_the_columns_that_users_of_metallb_know() {
    let Some(cluster) = shared_control_plane().await else { return };
    let items: Vec<Value> = [
        ("v1beta1", "IPAddressPool", json!({ "addresses": ["192.0.2.0/24"], "autoAssign": false })),
        ("v1beta1", "L2Advertisement", json!({ "ipAddressPools": ["shown"], "interfaces": ["eth0"] })),
        ("v1beta1", "BGPAdvertisement", json!({ "ipAddressPools": ["shown"], "peers": ["router"] })),
        (
            "v1beta2",
            "BGPPeer",
            json!({ "myASN": 64512, "peerASN": 64513, "peerAddress": "192.0.2.9", "bfdProfile": "b" }),
        ),
        ("v1beta1", "BFDProfile", json!({ "passiveMode": true, "transmitInterval": 50, "detectMultiplier": 5 })),
        ("v1beta1", "Community", json!({ "communities": [{ "name": "vpn", "value": "64512:1" }] })),
        ("v1beta1", "ServiceL2Status", json!({})),
        ("v1beta1", "ServiceBGPStatus", json!({})),
        ("v1beta1", "ConfigurationState", Value::Null),
    ]
    .into_iter()
    .map(|(version, kind, spec)| {
        let mut object = json!({
            "apiVersion": format!("metallb.io/{version}"), "kind": kind,
            "metadata": { "name": "shown", "namespace": DEFAULT_NAMESPACE },
        });
        if !spec.is_null() {
            object["spec"] = spec;
        }
        object
    })
    .collect();
    printed(&apply(cluster, &json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string()).await);
    patch_status(cluster, "servicel2statuses", &json!({ "node": "n1", "serviceName": "web", "serviceNamespace": "d" }))
        .await;
    let by_bgp = json!({ "node": "n2", "serviceName": "web", "serviceNamespace": "d", "peers": ["router"] });
    patch_status(cluster, "servicebgpstatuses", &by_bgp).await;
    let state = json!({ "result": "Invalid", "errorSummary": "broken" });
    patch_status(cluster, "configurationstates", &state).await;

    for (kind, head, row) in [
        ("IPAddressPool", "AUTO ASSIGN|AVOID BUGGY IPS|ADDRESSES", r#"false|false|["192.0.2.0/24"]"#),
        ("L2Advertisement", "IPADDRESSPOOLS|IPADDRESSPOOL SELECTORS|INTERFACES", r#"["shown"]||["eth0"]"#),
        ("BGPAdvertisement", "IPADDRESSPOOLS|IPADDRESSPOOL SELECTORS|PEERS", r#"["shown"]||["router"]"#),
        ("BGPPeer", "ADDRESS|ASN|BFD PROFILE|MULTI HOPS", "192.0.2.9|64513|b|"),
        ("BFDProfile", "PASSIVE MODE|TRANSMIT INTERVAL|RECEIVE INTERVAL|MULTIPLIER", "true|50||5"),
        ("ServiceL2Status", "ALLOCATED NODE|SERVICE NAME|SERVICE NAMESPACE", "n1|web|d"),
        ("ServiceBGPStatus", "NODE|SERVICE NAME|SERVICE NAMESPACE", "n2|web|d"),
    ] {
        let table = columns(&get(cluster, kind).await);
        assert_eq!(table, [format!("NAMESPACE|NAME|{head}"), format!("{DEFAULT_NAMESPACE}|shown|{row}")], "{kind}");
    }
    // Ages are what they are.
    for (kind, head) in
        [("Community", "NAMESPACE|NAME|AGE"), ("ConfigurationState", "NAMESPACE|NAME|RESULT|ERRORSUMMARY|AGE")]
    {
        assert_eq!(columns(&get(cluster, kind).await)[0], head, "{kind}");
    }
}

/// How kubectl lists our object among those of all namespaces.
async fn get(cluster: &ControlPlane, kind: &str) -> String {
    let line = ["get", &plural(kind), "-A", "--field-selector", "metadata.name=shown"];
    printed(&cluster.kubectl(&line, "").await.unwrap())
}

async fn patch_status(cluster: &ControlPlane, plural: &str, status: &Value) {
    let patch = json!({ "status": status }).to_string();
    let line =
        ["patch", plural, "shown", "-n", DEFAULT_NAMESPACE, "--subresource=status", "--type=merge", "-p", &patch];
    printed(&cluster.kubectl(&line, "").await.unwrap());
}

/// The cells of a table: each begins where its head begins, and heads are set apart by at least three spaces.
fn columns(table: &str) -> Vec<String> {
    let head = table.lines().next().unwrap();
    let begins = |at: &usize| {
        let (before, after) = head.split_at(*at);
        before.ends_with("   ") && !after.starts_with(' ')
    };
    let starts: Vec<usize> = std::iter::once(0).chain((1..head.len()).filter(begins)).collect();
    let cells = |line: &str| -> String {
        let ends = starts.iter().skip(1).copied().chain([line.len()]);
        let cut =
            |(start, end): (usize, usize)| line.get(start..end.min(line.len())).unwrap_or_default().trim().to_owned();
        starts.iter().copied().zip(ends).map(cut).collect::<Vec<_>>().join("|")
    };
    table.lines().map(cells).collect()
}

#[tokio::test]
async fn the_schema_refuses_what_it_bounds() {
    let Some(cluster) = shared_control_plane().await else { return };
    let client = cluster.client().await.unwrap();
    let peer = |more: Value| {
        let mut spec = json!({ "myASN": 64512 });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    };
    let preference = |weight: i32| json!({ "preferredNodeSelectors": [{ "weight": weight, "preference": {} }] });
    for (version, kind, spec, complaint) in [
        ("v1beta1", "IPAddressPool", json!({}), "spec.addresses: Required value"),
        ("v1beta1", "IPAddressPool", json!({ "addresses": "192.0.2.0/24" }), "must be of type array"),
        ("v1beta1", "L2Advertisement", preference(0), "should be greater than or equal to 1"),
        ("v1beta1", "L2Advertisement", preference(101), "should be less than or equal to 100"),
        ("v1beta2", "BGPPeer", json!({}), "spec.myASN: Required value"),
        ("v1beta2", "BGPPeer", json!({ "myASN": 4_294_967_296_i64 }), "should be less than or equal to 4294967295"),
        ("v1beta2", "BGPPeer", peer(json!({ "localASN": 0 })), "should be greater than or equal to 1"),
        ("v1beta2", "BGPPeer", peer(json!({ "dynamicASN": "any" })), "Unsupported value: \"any\""),
        ("v1beta2", "BGPPeer", peer(json!({ "peerPort": 16385 })), "should be less than or equal to 16384"),
        (
            "v1beta2",
            "BGPPeer",
            peer(json!({ "connectTime": "0s" })),
            "connect time should be between 1 seconds to 65535",
        ),
        ("v1beta2", "BGPPeer", peer(json!({ "connectTime": "1500ms" })), "a whole number of seconds"),
        ("v1beta1", "BGPAdvertisement", json!({ "aggregationLength": 0 }), "should be greater than or equal to 1"),
        ("v1beta1", "BGPAdvertisement", json!({ "asPathPrepend": 11 }), "should be less than or equal to 10"),
        (
            "v1beta1",
            "BGPAdvertisement",
            json!({ "serviceSelectors": [{}], "aggregationLength": 24 }),
            "serviceSelectors and aggregationLength are mutually exclusive",
        ),
        ("v1beta1", "BFDProfile", json!({ "receiveInterval": 9 }), "should be greater than or equal to 10"),
        ("v1beta1", "BFDProfile", json!({ "detectMultiplier": 1 }), "should be greater than or equal to 2"),
        ("v1beta1", "BFDProfile", json!({ "minimumTtl": 255 }), "should be less than or equal to 254"),
        ("v1beta1", "Community", json!({ "communities": [{ "name": 1 }] }), "must be of type string"),
    ] {
        let refused = create(&client, version, kind, "bounded", &spec).await.unwrap_err();
        let kube::Error::Api(status) = &refused else { panic!("{kind} {spec}: {refused}") };
        assert_eq!(status.code, 422, "{kind} {spec}: {refused}");
        assert!(status.message.contains(complaint), "{kind} {spec}: {}", status.message);
    }
    // And nothing wrong with their neighbours.
    for (version, kind, spec) in [
        ("v1beta1", "L2Advertisement", preference(100)),
        ("v1beta2", "BGPPeer", peer(json!({ "connectTime": "65535s", "peerPort": 16384, "dynamicASN": "internal" }))),
        (
            "v1beta1",
            "BGPAdvertisement",
            json!({ "serviceSelectors": [{}], "aggregationLength": 32, "asPathPrepend": 10 }),
        ),
        ("v1beta1", "BFDProfile", json!({ "receiveInterval": 10, "detectMultiplier": 2, "minimumTtl": 254 })),
    ] {
        create(&client, version, kind, "bounded", &spec).await.unwrap();
    }
}

#[tokio::test]
async fn the_api_server_holds_no_number_to_the_format_int32() {
    let Some(cluster) = shared_control_plane().await else { return };
    let client = cluster.client().await.unwrap();
    // Whatever a user of MetalLB has stored we have to read.
    let spec = json!({ "localPref": u32::MAX });
    create(&client, "v1beta1", "BGPAdvertisement", "highest", &spec).await.unwrap();
}
