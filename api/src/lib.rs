//! Shapes of the custom resources that ferrolb reads and writes, and their CRDs, generated from these types.
//!
//! Nothing here decides anything: strings stay strings until `ferrolb-config` has checked them. Group `metallb.io`
//! is kept field by field as `MetalLB` defines it, so that its manifests apply unchanged; additions of our own live in
//! group `ferrolb.io`, never in these kinds.

pub mod annotations;
pub mod calico;
pub mod conversion;
pub mod crds;
pub mod labels;
mod small_map;
pub mod v1alpha1;
pub mod v1beta1;
pub mod v1beta2;

pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
pub use small_map::SmallMap;

/// API group of the resources that are shared with `MetalLB`.
pub const GROUP: &str = "metallb.io";

/// Namespace of ferrolb and its configuration where nobody says otherwise.
pub const DEFAULT_NAMESPACE: &str = "ferrolb-system";

/// Nodes carrying this label announce nothing (`--ignore-exclude-lb` lifts it).
pub const EXCLUDE_LABEL: &str = "node.kubernetes.io/exclude-from-external-load-balancers";
