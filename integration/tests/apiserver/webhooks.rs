//! The manifest of the webhooks: the real API server asks at the right path about the right kinds, by the Service's name.

use ferrolb_api::DEFAULT_NAMESPACE;
use ferrolb_integration::apiserver::{call_webhooks_at, loopback_service};
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use serde_json::json;

use crate::common::{apply, crds_text, create, documents, manifest_text, own_control_plane, plural, printed};
use crate::reviewer::{REFUSED, Reviewer};

const SERVICE: &str = "metallb-webhook-service";

#[tokio::test]
async fn each_kind_is_reviewed_at_its_path_before_it_is_stored() {
    let Some(cluster) = own_control_plane().await else { return };
    for manifests in [manifest_text("namespace.yaml"), crds_text(), manifest_text("webhooks.yaml")] {
        printed(&apply(&cluster, &manifests).await);
    }
    let client = cluster.client().await.unwrap();
    let pool = json!({ "addresses": ["192.0.2.0/24"] });
    let unreachable = create(&client, "v1beta1", "IPAddressPool", "early", &pool).await.unwrap_err().to_string();
    assert!(unreachable.contains("failed calling webhook"), "{unreachable}");

    let reviewer = Reviewer::start(&format!("{SERVICE}.{DEFAULT_NAMESPACE}.svc")).await;
    let remove = ["delete", "service", SERVICE, "-n", DEFAULT_NAMESPACE];
    printed(&cluster.kubectl(&remove, "").await.unwrap());
    let service = json!(loopback_service(DEFAULT_NAMESPACE, SERVICE)).to_string();
    printed(&apply(&cluster, &service).await);
    let mut configuration = configuration();
    call_webhooks_at(&mut configuration, reviewer.address.port());
    for webhook in configuration.webhooks.iter_mut().flatten() {
        webhook.client_config.ca_bundle = Some(ByteString(reviewer.authority.clone().into_bytes()));
    }
    printed(&apply(&cluster, &json!(configuration).to_string()).await);
    // A new configuration is seen a moment later.
    let reached = async {
        while create(&client, "v1beta1", "IPAddressPool", REFUSED, &pool).await.is_ok_and(|()| panic!("it was refused"))
            || reviewer.asked().is_empty()
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::common::SOON, reached).await.unwrap();

    for (version, kind, spec, on_delete) in [
        ("v1beta1", "IPAddressPool", pool.clone(), false),
        ("v1beta1", "L2Advertisement", json!({}), false),
        ("v1beta1", "BGPAdvertisement", json!({}), false),
        ("v1beta1", "Community", json!({}), false),
        ("v1beta1", "BFDProfile", json!({}), true),
        ("v1beta2", "BGPPeer", json!({ "myASN": 64512 }), false),
    ] {
        let path = format!("/validate-metallb-io-{version}-{}", kind.to_lowercase());
        create(&client, version, kind, "admitted", &spec).await.unwrap();
        assert_eq!(reviewer.asked(), [format!("CREATE {path}")]);
        let refused = create(&client, version, kind, REFUSED, &spec).await.unwrap_err().to_string();
        assert!(refused.contains("validationwebhook.metallb.io") && refused.contains("by the reviewer"), "{refused}");
        assert_eq!(reviewer.asked(), [format!("CREATE {path}")]);
        let (plural, name) = (plural(kind), "admitted");
        let label = ["label", &plural, name, "-n", DEFAULT_NAMESPACE, "a=b"];
        printed(&cluster.kubectl(&label, "").await.unwrap());
        let on_update: &[String] = if on_delete { &[] } else { &[format!("UPDATE {path}")] };
        assert_eq!(reviewer.asked(), on_update);
        let delete = ["delete", &plural, name, "-n", DEFAULT_NAMESPACE];
        printed(&cluster.kubectl(&delete, "").await.unwrap());
        let on_delete: &[String] = if on_delete { &[format!("DELETE {path}")] } else { &[] };
        assert_eq!(reviewer.asked(), on_delete);
    }
}

/// That of the manifest.
fn configuration() -> ValidatingWebhookConfiguration {
    let documents = documents(&manifest_text("webhooks.yaml")).into_iter();
    let mut found = documents.filter(|document| document["kind"] == "ValidatingWebhookConfiguration");
    serde_json::from_value(found.next().unwrap()).unwrap()
}
