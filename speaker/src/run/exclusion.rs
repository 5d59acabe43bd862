//! Which interfaces the operator does not want, as in MetalLB's `excludel2.yaml`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use regex::RegexSet;
use serde::Deserialize;
use thiserror::Error;

/// Where MetalLB's manifests mount the list.
pub(super) const DEFAULT_PATH: &str = "/etc/metallb/excludel2.yaml";

/// What counts where there is no list: names that lead into this node's containers and tunnels, never to a LAN. Those of
/// MetalLB's list, and `vxlan`.
const DEFAULT: [&str; 15] = [
    "^docker.*",
    "^cbr.*",
    "^dummy.*",
    "^virbr.*",
    "^lxcbr.*",
    "^veth.*",
    "^lo$",
    "^cali.*",
    "^tunl.*",
    "^flannel.*",
    "^kube-ipvs.*",
    "^cni.*",
    "^nodelocaldns.*",
    "^lxc.*",
    "^vxlan.*",
];

/// The list as it stands in the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct File {
    #[serde(default)]
    announced_interfaces_to_exclude: Vec<String>,
}

/// A list that cannot be used.
#[derive(Debug, Error)]
pub enum ExclusionError {
    /// It cannot be read.
    #[error("the list of interfaces to exclude, {path}, cannot be read", path = .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// It is no such list.
    #[error("{path}: expected announcedInterfacesToExclude: [REGEX, ...]", path = .0.display())]
    Content(PathBuf, #[source] serde_yaml::Error),
    /// An expression is wrong.
    #[error("an interface to exclude is no regular expression")]
    Expression(#[source] regex::Error),
}

/// Interfaces that do not announce; a name is excluded if any expression matches some part of it.
#[derive(Debug, Clone)]
pub(super) struct Exclusion(RegexSet);

// === impl Exclusion ===

impl Exclusion {
    /// What the file at `path` says (where there is none, and nobody said that there is: the default), and `more`.
    pub(super) fn read(path: Option<&Path>, more: &[String]) -> Result<Self, ExclusionError> {
        let at = path.unwrap_or(Path::new(DEFAULT_PATH));
        let listed = match fs::read_to_string(at) {
            Ok(text) => {
                let file: Option<File> =
                    serde_yaml::from_str(&text).map_err(|error| ExclusionError::Content(at.to_owned(), error))?;
                file.map(|file| file.announced_interfaces_to_exclude).unwrap_or_default()
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && path.is_none() => {
                DEFAULT.map(str::to_owned).to_vec()
            }
            Err(error) => return Err(ExclusionError::Read(at.to_owned(), error)),
        };
        RegexSet::new(listed.iter().chain(more)).map(Self).map_err(ExclusionError::Expression)
    }

    /// Whether the interface of this name does not announce.
    pub(super) fn excludes(&self, name: &str) -> bool {
        self.0.is_match(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_list_containers_and_tunnels_are_excluded() {
        let exclusion = Exclusion::read(None, &["^wg".to_owned()]).unwrap();
        for name in ["lo", "docker0", "veth12ab", "cali0", "kube-ipvs0", "wg0"] {
            assert!(exclusion.excludes(name), "{name}");
        }
        for name in ["eth0", "bond0.100", "lo0x", "br-lan"] {
            assert!(!exclusion.excludes(name), "{name}");
        }
    }

    #[test]
    fn a_list_replaces_the_default_and_matches_anywhere_in_the_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("excludel2.yaml");
        fs::write(&path, "announcedInterfacesToExclude:\n- ^docker.*\n- storage\n").unwrap();
        let exclusion = Exclusion::read(Some(&path), &[]).unwrap();
        assert!(exclusion.excludes("docker0") && exclusion.excludes("my-storage0"));
        assert!(!exclusion.excludes("veth0"));
        fs::write(&path, "").unwrap();
        assert!(!Exclusion::read(Some(&path), &[]).unwrap().excludes("docker0"), "an empty list excludes nothing");
        fs::write(&path, "announcedInterfacesToExclude: ['(']\n").unwrap();
        assert!(matches!(Exclusion::read(Some(&path), &[]), Err(ExclusionError::Expression(_))));
        fs::write(&path, "interfaces: []\n").unwrap();
        assert!(matches!(Exclusion::read(Some(&path), &[]), Err(ExclusionError::Content(..))));
        let missing = folder.path().join("nothing");
        assert!(matches!(Exclusion::read(Some(&missing), &[]), Err(ExclusionError::Read(..))));
    }
}
