//! Calico's resources, as far as ferrolb reads them. Calico owns them: there are no CRDs here, and nothing is written.

pub mod v1;

/// API group of Calico's resources.
pub const GROUP: &str = "crd.projectcalico.org";
