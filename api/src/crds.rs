//! The CRDs, generated from the Rust types and tidied into the form that the API server and `kubectl explain` like.

use k8s_openapi::ByteString;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceConversion, CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
    ServiceReference, WebhookClientConfig, WebhookConversion,
};
use kube::CustomResourceExt;

use crate::v1alpha1::NodeHealthReport;
use crate::v1beta1::{
    BFDProfile, BGPAdvertisement, Community, ConfigurationState, IPAddressPool, L2Advertisement, ServiceBGPStatus,
    ServiceL2Status,
};
use crate::{v1beta1, v1beta2};

/// Path under which the webhook converts objects.
pub const CONVERSION_PATH: &str = "/convert";

/// Versions of `ConversionReview` that the webhook is asked with; the API server takes the first that it knows. Both
/// have the same form, and an answer bears the version of its question.
pub const CONVERSION_REVIEW_VERSIONS: [&str; 2] = ["v1", "v1beta1"];

/// Every CRD of this crate, in order of name. That of `BGPPeer`, which has two versions, converts nothing until
/// [`with_conversion`] says who does.
pub fn all() -> Vec<CustomResourceDefinition> {
    [
        BFDProfile::crd(),
        BGPAdvertisement::crd(),
        bgp_peer(),
        Community::crd(),
        ConfigurationState::crd(),
        IPAddressPool::crd(),
        L2Advertisement::crd(),
        NodeHealthReport::crd(),
        ServiceBGPStatus::crd(),
        ServiceL2Status::crd(),
    ]
    .into_iter()
    .map(tidied)
    .collect()
}

/// Name of `crd`, `<plural>.<group>`.
pub fn name(crd: &CustomResourceDefinition) -> String {
    format!("{}.{}", crd.spec.names.plural, crd.spec.group)
}

/// Has the API server call the webhook of Service `service` in `namespace`, path [`CONVERSION_PATH`], for objects of
/// `crd` that are wanted in another version. `ca_bundle`: PEM certificates that the webhook's own is checked against;
/// `None` leaves that to whoever owns the certificates.
#[must_use]
pub fn with_conversion(
    mut crd: CustomResourceDefinition,
    namespace: &str,
    service: &str,
    ca_bundle: Option<Vec<u8>>,
) -> CustomResourceDefinition {
    crd.spec.conversion = Some(CustomResourceConversion {
        strategy: "Webhook".to_owned(),
        webhook: Some(WebhookConversion {
            client_config: Some(WebhookClientConfig {
                ca_bundle: ca_bundle.map(ByteString),
                service: Some(ServiceReference {
                    name: service.to_owned(),
                    namespace: namespace.to_owned(),
                    path: Some(CONVERSION_PATH.to_owned()),
                    port: None,
                }),
                url: None,
            }),
            conversion_review_versions: CONVERSION_REVIEW_VERSIONS.map(str::to_owned).to_vec(),
        }),
    });
    crd
}

fn bgp_peer() -> CustomResourceDefinition {
    let mut crd = v1beta1::BGPPeer::crd();
    crd.spec.versions.extend(v1beta2::BGPPeer::crd().spec.versions);
    crd
}

fn tidied(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    crd.spec.names.list_kind = Some(format!("{}List", crd.spec.names.kind));
    crd.spec.names.categories = None;
    crd.spec.names.short_names = None;
    for version in &mut crd.spec.versions {
        version.selectable_fields = None;
        if version.additional_printer_columns.as_ref().is_some_and(Vec::is_empty) {
            version.additional_printer_columns = None;
        }
        if let Some(schema) = version.schema.as_mut().and_then(|s| s.open_api_v3_schema.as_mut()) {
            tidy(schema);
            declare_metadata(schema);
            require_spec_of_pools_only(schema, &crd.spec.names.kind);
        }
    }
    crd
}

/// The API server checks `metadata` itself; saying that it is an object is what `kubectl explain` expects.
fn declare_metadata(root: &mut JSONSchemaProps) {
    let typed = |name: &str| JSONSchemaProps { type_: Some(name.to_owned()), ..Default::default() };
    let properties = root.properties.get_or_insert_default();
    for (name, kind) in [("apiVersion", "string"), ("kind", "string"), ("metadata", "object")] {
        properties.entry(name.to_owned()).or_insert_with(|| typed(kind));
    }
}

/// The derive requires `spec` of every kind; published are schemas that do so of pools alone, and people rely on it: an
/// `L2Advertisement` that is only a name announces all pools.
fn require_spec_of_pools_only(root: &mut JSONSchemaProps, kind: &str) {
    if kind != "IPAddressPool" {
        root.required = None;
    }
}

/// Takes out what the derive adds and an API server complains of or shows badly: `nullable` on every optional field,
/// formats that it does not know, titles; marks label selectors as the API itself does.
fn tidy(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    schema.title = None;
    if let Some("int" | "uint" | "uint8" | "uint16" | "uint32" | "uint64") = schema.format.as_deref() {
        schema.format = None;
    }
    mark_selector(schema);
    for child in schema.properties.iter_mut().flat_map(|properties| properties.values_mut()) {
        tidy(child);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        tidy(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        tidy(values);
    }
}

/// `metav1.LabelSelector` is atomic for server-side apply, and so are its lists. Selectors of a form of their own, as
/// in `v1beta1` of `BGPPeer`, are told by their requiring values.
fn mark_selector(schema: &mut JSONSchemaProps) {
    let Some(properties) = &mut schema.properties else { return };
    if !(properties.contains_key("matchLabels") && properties.contains_key("matchExpressions")) {
        return;
    }
    let Some(expressions) = properties.get_mut("matchExpressions") else { return };
    let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut expressions.items else { return };
    if items.required.iter().flatten().any(|name| name == "values") {
        return;
    }
    if let Some(values) = items.properties.as_mut().and_then(|p| p.get_mut("values")) {
        values.x_kubernetes_list_type = Some("atomic".to_owned());
    }
    expressions.x_kubernetes_list_type = Some("atomic".to_owned());
    schema.x_kubernetes_map_type = Some("atomic".to_owned());
}
