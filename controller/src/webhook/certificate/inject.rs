//! The authority where the API server looks for it: in the `ValidatingWebhookConfiguration` and in the conversion of
//! the CRD. What calls the Service of somebody else is left alone: another installation in the cluster may own objects of
//! these names.

use serde_json::Value;

use crate::webhook::certificate::decision::Names;

/// What was found in an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Injected {
    /// The authority stands everywhere already.
    Unchanged,
    /// It was put in; the object is to be written.
    Changed,
    /// Nothing in it calls our Service.
    NotOurs,
}

/// Puts `bundle` (base64) into every webhook of a `ValidatingWebhookConfiguration` that calls our Service.
pub fn into_webhooks(configuration: &mut Value, names: &Names, bundle: &str) -> Injected {
    let webhooks = configuration.get_mut("webhooks").and_then(Value::as_array_mut);
    let clients = webhooks.into_iter().flatten().filter_map(|webhook| webhook.get_mut("clientConfig"));
    inject(clients, names, bundle)
}

/// Puts `bundle` (base64) into the conversion webhook of a CRD, where that calls our Service.
pub fn into_conversion(crd: &mut Value, names: &Names, bundle: &str) -> Injected {
    inject(crd.pointer_mut("/spec/conversion/webhook/clientConfig").into_iter(), names, bundle)
}

fn inject<'a>(clients: impl Iterator<Item = &'a mut Value>, names: &Names, bundle: &str) -> Injected {
    let mut injected = Injected::NotOurs;
    for client in clients.filter(|client| calls(client, names)) {
        let Some(client) = client.as_object_mut() else { continue };
        if client.get("caBundle").and_then(Value::as_str) != Some(bundle) {
            client.insert("caBundle".to_owned(), Value::String(bundle.to_owned()));
            injected = Injected::Changed;
        } else if injected == Injected::NotOurs {
            injected = Injected::Unchanged;
        }
    }
    injected
}

/// Something without a Service in it calls a URL, which nobody else's does.
fn calls(client: &Value, names: &Names) -> bool {
    if client.get("service").is_none_or(Value::is_null) {
        return true;
    }
    let is = |key: &str, expected: &str| {
        client.pointer(&format!("/service/{key}")).and_then(Value::as_str) == Some(expected)
    };
    is("name", names.service()) && is("namespace", names.namespace())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names() -> Names {
        Names::new("metallb-webhook-service", "metallb-system")
    }

    fn configuration(namespace: &str, bundles: [Option<&str>; 2]) -> Value {
        let webhook = |bundle: Option<&str>| {
            let mut client =
                json!({"service": {"name": "metallb-webhook-service", "namespace": namespace, "path": "/x"}});
            if let Some(bundle) = bundle {
                client["caBundle"] = json!(bundle);
            }
            json!({"name": "a", "clientConfig": client, "unknownToUs": 1})
        };
        json!({"webhooks": bundles.map(webhook)})
    }

    #[test]
    fn every_webhook_gets_the_authority_and_nothing_else_changes() {
        let mut object = configuration("metallb-system", [None, Some("b2xk")]);
        assert_eq!(into_webhooks(&mut object, &names(), "bmV3"), Injected::Changed);
        assert_eq!(object, configuration("metallb-system", [Some("bmV3"), Some("bmV3")]));
        assert_eq!(into_webhooks(&mut object, &names(), "bmV3"), Injected::Unchanged);
    }

    #[test]
    fn one_webhook_that_differs_is_enough_to_write() {
        let mut object = configuration("metallb-system", [Some("b2xk"), Some("bmV3")]);
        assert_eq!(into_webhooks(&mut object, &names(), "bmV3"), Injected::Changed);
    }

    #[test]
    fn the_webhooks_of_another_installation_are_left_alone() {
        let mut object = configuration("elsewhere", [None, None]);
        assert_eq!(into_webhooks(&mut object, &names(), "bmV3"), Injected::NotOurs);
        assert_eq!(object, configuration("elsewhere", [None, None]));
    }

    #[test]
    fn a_webhook_at_a_url_gets_the_authority() {
        let mut object = json!({"webhooks": [{"clientConfig": {"url": "https://127.0.0.1:9443/x"}}]});
        assert_eq!(into_webhooks(&mut object, &names(), "bmV3"), Injected::Changed);
        assert_eq!(object.pointer("/webhooks/0/clientConfig/caBundle"), Some(&json!("bmV3")));
    }

    #[test]
    fn the_conversion_gets_the_authority_where_there_is_one() {
        let service = json!({"name": "metallb-webhook-service", "namespace": "metallb-system", "path": "/convert"});
        let conversion = json!({"strategy": "Webhook", "webhook": {"clientConfig": {"service": service}}});
        let mut crd = json!({"spec": {"conversion": conversion}});
        assert_eq!(into_conversion(&mut crd, &names(), "bmV3"), Injected::Changed);
        assert_eq!(crd.pointer("/spec/conversion/webhook/clientConfig/caBundle"), Some(&json!("bmV3")));
        let mut none = json!({"spec": {"conversion": {"strategy": "None"}}});
        assert_eq!(into_conversion(&mut none, &names(), "bmV3"), Injected::NotOurs);
    }
}
