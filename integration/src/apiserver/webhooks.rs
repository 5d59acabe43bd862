//! Manifests for webhooks that run on loopback, beside the API server, with no Service in between.

use std::net::SocketAddr;

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

/// Makes every webhook of a configuration call `server` (its port on an address that the API server reaches) at the path
/// that its Service had. With `authority` (PEM), that signs the server's certificate; without, `caBundle` stays as it
/// is, for whoever injects it.
pub fn point_webhooks_at(
    configuration: &mut ValidatingWebhookConfiguration,
    server: SocketAddr,
    authority: Option<&str>,
) {
    for webhook in configuration.webhooks.iter_mut().flatten() {
        let client = &mut webhook.client_config;
        if let Some(service) = client.service.take() {
            client.url = Some(url(server, service.path.as_deref()));
        }
        if let Some(authority) = authority {
            client.ca_bundle = Some(ByteString(authority.as_bytes().to_vec()));
        }
    }
}

/// The same for the conversion webhook of a CRD; one that has none stays as it is.
pub fn point_conversion_at(crd: &mut CustomResourceDefinition, server: SocketAddr, authority: Option<&str>) {
    let webhook = crd.spec.conversion.as_mut().and_then(|conversion| conversion.webhook.as_mut());
    let Some(client) = webhook.and_then(|webhook| webhook.client_config.as_mut()) else { return };
    if let Some(service) = client.service.take() {
        client.url = Some(url(server, service.path.as_deref()));
    }
    if let Some(authority) = authority {
        client.ca_bundle = Some(ByteString(authority.as_bytes().to_vec()));
    }
}

fn url(server: SocketAddr, path: Option<&str>) -> String {
    format!("https://{server}{}", path.unwrap_or("/"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_service_becomes_a_url_with_its_path() {
        let mut configuration: ValidatingWebhookConfiguration = serde_json::from_value(json!({
            "webhooks": [{
                "name": "a.example.org",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "clientConfig": { "service": { "name": "s", "namespace": "n", "path": "/validate" } },
            }]
        }))
        .unwrap();
        point_webhooks_at(&mut configuration, "127.0.0.1:9443".parse().unwrap(), Some("PEM"));
        let client = &configuration.webhooks.unwrap()[0].client_config;
        assert_eq!(client.url.as_deref(), Some("https://127.0.0.1:9443/validate"));
        assert_eq!(client.service, None);
        assert_eq!(client.ca_bundle.as_ref().unwrap().0, b"PEM");
    }

    #[test]
    fn a_conversion_without_webhook_stays_as_it_is() {
        let mut crd = CustomResourceDefinition::default();
        point_conversion_at(&mut crd, "[::1]:9443".parse().unwrap(), None);
        assert_eq!(crd, CustomResourceDefinition::default());
    }
}
