//! What the programs are made of, as CycloneDX 1.5 (ECMA-424): every crate that is linked into them, its licence, the
//! digest that Cargo checked it by, and who uses whom.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Map, Value, json};

use super::build::cargo;
use super::error::{Error, file};

/// The bill of materials of these packages of the workspace at `root`, for a target of the compiler.
///
/// # Errors
/// Cargo cannot tell, or there is no such package.
pub fn sbom(root: &Path, packages: &[&str], target: &str) -> Result<Value, Error> {
    let arguments = ["metadata", "--locked", "--format-version", "1", "--filter-platform", target];
    let mut command = Command::new(cargo());
    let program = format!("cargo {}", arguments.join(" "));
    let output = command.args(arguments).current_dir(root).stderr(Stdio::inherit()).output();
    let output = output.map_err(|source| Error::Run { program: program.clone(), source })?;
    if !output.status.success() {
        return Err(Error::Failed { program, status: output.status });
    }
    let metadata = serde_json::from_slice(&output.stdout).map_err(|source| Error::Printed { program, source })?;
    let lock = root.join("Cargo.lock");
    let lock = std::fs::read_to_string(&lock).map_err(file(lock))?;
    bill(&metadata, &checksums(&lock), packages)
}

/// A crate of the metadata.
struct Crate<'m> {
    name: &'m str,
    version: &'m str,
    license: Option<&'m str>,
    description: Option<&'m str>,
    repository: Option<&'m str>,
    /// Whether it is of this workspace, so that no registry has it.
    own: bool,
}

// === impl Crate ===

impl<'m> Crate<'m> {
    fn new(package: &'m Value) -> Self {
        let text = |key: &str| package.get(key).and_then(Value::as_str);
        Self {
            name: text("name").unwrap_or_default(),
            version: text("version").unwrap_or_default(),
            license: text("license"),
            description: text("description"),
            repository: text("repository"),
            own: text("source").is_none(),
        }
    }

    /// Its name everywhere (package URL).
    fn purl(&self) -> String {
        // Build metadata of a version is separated by a sign that has a meaning in a URL.
        format!("pkg:cargo/{}@{}", self.name, self.version.replace('+', "%2B"))
    }

    fn component(&self, checksums: &BTreeMap<(&str, &str), &str>) -> Value {
        let kind = if self.own { "application" } else { "library" };
        // Old crates separate alternatives by a slash.
        let license = self.license.map(|license| json!([{ "expression": license.replace('/', " OR ") }]));
        let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let checksum = checksums.get(&(self.name, self.version));
        let known: [(&str, Option<Value>); 9] = [
            ("type", Some(kind.into())),
            ("bom-ref", Some(self.purl().into())),
            ("name", Some(self.name.into())),
            ("version", Some(self.version.into())),
            ("purl", Some(self.purl().into())),
            ("licenses", license),
            ("description", self.description.map(|text| one_line(text).into())),
            ("hashes", checksum.map(|checksum| json!([{ "alg": "SHA-256", "content": checksum }]))),
            ("externalReferences", self.repository.map(|url| json!([{ "type": "vcs", "url": url }]))),
        ];
        known.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect::<Map<_, _>>().into()
    }
}

fn bill(metadata: &Value, checksums: &BTreeMap<(&str, &str), &str>, packages: &[&str]) -> Result<Value, Error> {
    let list = |value: &'_ Value| value.as_array().cloned().unwrap_or_default();
    let all = list(metadata.get("packages").unwrap_or(&Value::Null));
    let by_id: BTreeMap<&str, Crate<'_>> =
        all.iter().filter_map(|package| Some((package.get("id")?.as_str()?, Crate::new(package)))).collect();
    let nodes = list(metadata.pointer("/resolve/nodes").unwrap_or(&Value::Null));
    let uses: BTreeMap<&str, Vec<&str>> =
        nodes.iter().filter_map(|node| Some((node.get("id")?.as_str()?, linked(node)))).collect();
    let mut pending = Vec::new();
    for name in packages {
        let found = by_id.iter().find(|(_, package)| package.own && package.name == *name);
        let (id, _) = found.ok_or_else(|| Error::NoPackage((*name).to_owned()))?;
        pending.push(*id);
    }
    let mut reached = BTreeSet::new();
    while let Some(id) = pending.pop() {
        if reached.insert(id) {
            pending.extend(uses.get(id).into_iter().flatten());
        }
    }
    let mut crates: Vec<(String, &str)> = reached.iter().filter_map(|id| Some((by_id.get(id)?.purl(), *id))).collect();
    crates.sort();
    let components: Vec<Value> =
        crates.iter().filter_map(|(_, id)| Some(by_id.get(id)?.component(checksums))).collect();
    let dependencies: Vec<Value> = crates
        .iter()
        .map(|(purl, id)| {
            let uses = uses.get(id).into_iter().flatten();
            let uses: BTreeSet<String> = uses.filter_map(|id| Some(by_id.get(id)?.purl())).collect();
            json!({ "ref": purl, "dependsOn": uses })
        })
        .collect();
    let version = by_id.values().find(|package| package.own).map(|package| package.version);
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": { "type": "container", "name": "ferrolb", "version": version } },
        "components": components,
        "dependencies": dependencies,
    }))
}

/// The crates that are linked with this one: neither for tests nor for build scripts only.
fn linked(node: &Value) -> Vec<&str> {
    let dependencies = node.get("deps").and_then(Value::as_array).into_iter().flatten();
    let normal = dependencies.filter(|dependency| {
        let kinds = dependency.get("dep_kinds").and_then(Value::as_array).into_iter().flatten();
        kinds.into_iter().any(|kind| kind.get("kind").is_none_or(Value::is_null))
    });
    normal.filter_map(|dependency| dependency.get("pkg")?.as_str()).collect()
}

/// Checksums of a `Cargo.lock` by name and version: there, each package is a block of lines `key = "value"`.
fn checksums(lock: &str) -> BTreeMap<(&str, &str), &str> {
    let mut found = BTreeMap::new();
    for block in lock.split("[[package]]") {
        let value = |key: &str| {
            let line = block.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
            line.map(|value| value.trim_matches('"'))
        };
        if let (Some(name), Some(version), Some(checksum)) = (value("name"), value("version"), value("checksum")) {
            found.insert((name, version), checksum);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"b\"\n\
        version = \"2.0.0+c\"\nsource = \"registry\"\nchecksum = \"0abc\"\ndependencies = [\n \"c\",\n]\n";

    fn package(id: &str, name: &str, version: &str, source: Option<&str>) -> Value {
        json!({ "id": id, "name": name, "version": version, "source": source, "license": "MIT/Apache-2.0" })
    }

    fn dependency(id: &str, kind: Option<&str>) -> Value {
        json!({ "pkg": id, "dep_kinds": [{ "kind": kind }] })
    }

    #[test]
    fn only_what_is_linked_is_in_the_bill() {
        let registry = Some("registry");
        let metadata = json!({
            "packages": [
                package("1", "a", "1.0.0", None), package("2", "b", "2.0.0+c", registry),
                package("3", "for-tests", "1.0.0", registry), package("4", "for-building", "1.0.0", registry),
                package("5", "other", "1.0.0", None),
            ],
            "resolve": { "nodes": [
                { "id": "1", "deps": [
                    dependency("2", None), dependency("3", Some("dev")), dependency("4", Some("build")),
                ] },
                { "id": "2", "deps": [] },
                { "id": "5", "deps": [dependency("3", None)] },
            ] },
        });
        let checksums = checksums(LOCK);
        let bill = bill(&metadata, &checksums, &["a"]).unwrap();
        let names: Vec<&str> =
            bill["components"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["a", "b"]);
        let b = &bill["components"][1];
        assert_eq!(b["purl"], "pkg:cargo/b@2.0.0%2Bc");
        assert_eq!(b["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(b["hashes"][0]["content"], "0abc");
        assert!(bill["components"][0].get("hashes").is_none(), "no registry has it");
        assert_eq!(bill["dependencies"][0], json!({ "ref": "pkg:cargo/a@1.0.0", "dependsOn": [b["purl"]] }));
        assert!(matches!(super::bill(&metadata, &checksums, &["b"]), Err(Error::NoPackage(name)) if name == "b"));
    }
}
