//! Webhooks that run on loopback, beside the API server.
//!
//! Manifests call a webhook by a Service, and the server's certificate is for the Service's name. With no nodes, no
//! ClusterIP leads anywhere; but the API server takes a Service of type ExternalName at its word and connects to that
//! host, at the port that the `clientConfig` names, and still expects the certificate of the Service. So tests keep the
//! manifests' names and the CA injection as they are, and change the port alone.

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{Service, ServiceSpec};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::ObjectMeta;

/// What stands in the place of a webhook's Service: whoever calls it reaches this machine's loopback address.
pub fn loopback_service(namespace: &str, name: &str) -> Service {
    Service {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        spec: Some(ServiceSpec {
            type_: Some("ExternalName".to_owned()),
            external_name: Some("127.0.0.1".to_owned()),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// Makes every webhook of a configuration that calls a Service call it at `port`.
pub fn call_webhooks_at(configuration: &mut ValidatingWebhookConfiguration, port: u16) {
    let clients = configuration.webhooks.iter_mut().flatten().map(|webhook| &mut webhook.client_config);
    for service in clients.filter_map(|client| client.service.as_mut()) {
        service.port = Some(i32::from(port));
    }
}

/// The same for the conversion webhook of a CRD; one that has none stays as it is.
pub fn call_conversion_at(crd: &mut CustomResourceDefinition, port: u16) {
    let webhook = crd.spec.conversion.as_mut().and_then(|conversion| conversion.webhook.as_mut());
    let client = webhook.and_then(|webhook| webhook.client_config.as_mut());
    if let Some(service) = client.and_then(|client| client.service.as_mut()) {
        service.port = Some(i32::from(port));
    }
}
