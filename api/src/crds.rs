//! The CRDs, generated from the Rust types and tidied into the form that the API server and `kubectl explain` like.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;

use crate::v1beta1::{IPAddressPool, L2Advertisement};

/// Every CRD of this crate, in order of name.
pub fn all() -> Vec<CustomResourceDefinition> {
    [IPAddressPool::crd(), L2Advertisement::crd()].into_iter().map(tidied).collect()
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
            require_spec_only_where_it_requires_something(schema);
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

fn require_spec_only_where_it_requires_something(root: &mut JSONSchemaProps) {
    let spec = root.properties.as_ref().and_then(|properties| properties.get("spec"));
    if spec.is_some_and(|spec| spec.required.is_none()) {
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

/// `metav1.LabelSelector` is atomic for server-side apply, and so are its lists.
fn mark_selector(schema: &mut JSONSchemaProps) {
    let Some(properties) = &mut schema.properties else { return };
    if !(properties.contains_key("matchLabels") && properties.contains_key("matchExpressions")) {
        return;
    }
    schema.x_kubernetes_map_type = Some("atomic".to_owned());
    let Some(expressions) = properties.get_mut("matchExpressions") else { return };
    expressions.x_kubernetes_list_type = Some("atomic".to_owned());
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut expressions.items
        && let Some(values) = items.properties.as_mut().and_then(|p| p.get_mut("values"))
    {
        values.x_kubernetes_list_type = Some("atomic".to_owned());
    }
}
