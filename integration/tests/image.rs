//! The container image: the same bytes from the same files, in a form that container engines load; programs that need no
//! library and tell nothing of the machine that built them; a bill of what is in them.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper of tests may fail the test")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Command;

use ferrolb_integration::image::{
    Build, Compression, Contents, Error, NAMES, PACKAGES, Platform, Source, archive, build, sbom,
};
use flate2::read::GzDecoder;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A moment that every calendar knows: 2026-11-01T00:00:00Z.
const CREATED: i64 = 1_793_491_200;

/// A folder with something for each program.
fn programs() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in NAMES {
        fs::write(folder.path().join(name), format!("the program {name}").repeat(1000)).unwrap();
    }
    folder
}

fn contents(folder: &Path) -> Contents {
    let mut contents = Contents::new(folder, "ferrolb:1.2.3", Platform::of("x86_64-unknown-linux-gnu").unwrap());
    contents.files.insert("usr/local/share/doc/LICENSE".to_owned(), Source::Document(b"free".to_vec()));
    contents.created = CREATED;
    contents.labels = BTreeMap::from([("org.opencontainers.image.version".to_owned(), "1.2.3".to_owned())]);
    contents
}

/// Path, mode, owner and time of each entry, and what it holds.
type Entry = (String, u32, u64, u64, Vec<u8>);

fn entries(bytes: &[u8]) -> Vec<Entry> {
    let mut archive = tar::Archive::new(bytes);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let header = entry.header();
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        let owner = header.uid().unwrap() + header.gid().unwrap();
        (path, header.mode().unwrap(), owner, header.mtime().unwrap(), content)
    });
    entries.collect()
}

fn files(bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
    entries(bytes).into_iter().map(|(path, _, _, _, content)| (path, content)).collect()
}

fn hex(bytes: &[u8]) -> String {
    let digits = |byte: &u8| [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap());
    digest(&SHA256, bytes).as_ref().iter().flat_map(digits).collect()
}

fn unpacked(layer: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    GzDecoder::new(layer).read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn the_same_files_give_the_same_bytes_wherever_and_whenever_they_were_made() {
    let (first, second) = (programs(), programs());
    let one = archive(&contents(first.path())).unwrap();
    let other = archive(&contents(second.path())).unwrap();
    assert!(one == other, "{} and {}", one.digest, other.digest);
    let mut later = contents(first.path());
    later.created += 1;
    assert_ne!(archive(&later).unwrap().digest, one.digest, "the time is told");
}

#[test]
fn an_archive_is_what_docker_saves_and_an_oci_layout_in_one() {
    let folder = programs();
    let written = archive(&contents(folder.path())).unwrap();
    let files = files(&written.archive);
    let read = |path: &str| serde_json::from_slice::<Value>(&files[path]).unwrap();
    assert_eq!(read("oci-layout"), json!({ "imageLayoutVersion": "1.0.0" }));
    let blob = |described: &Value| {
        let content = &files[&format!("blobs/{}", described["digest"].as_str().unwrap().replace(':', "/"))];
        assert_eq!(described["size"], content.len());
        assert_eq!(described["digest"], format!("sha256:{}", hex(content)));
        content
    };
    let entry = &read("index.json")["manifests"][0];
    assert_eq!(entry["annotations"]["io.containerd.image.name"], "docker.io/library/ferrolb:1.2.3");
    assert_eq!(entry["digest"], written.digest);
    assert_eq!(entry["platform"], json!({ "os": "linux", "architecture": "amd64" }));
    let manifest: Value = serde_json::from_slice(blob(entry)).unwrap();
    let config: Value = serde_json::from_slice(blob(&manifest["config"])).unwrap();
    let layer = blob(&manifest["layers"][0]);
    assert_eq!(layer.len(), written.compressed);
    assert_eq!(config["rootfs"]["diff_ids"], json!([format!("sha256:{}", hex(&unpacked(layer)))]));
    assert_eq!(config["created"], "2026-11-01T00:00:00Z");
    assert_eq!(config["config"]["User"], "65534:65534");
    assert_eq!(config["config"]["Env"], json!(["PATH=/usr/local/bin"]));
    let saved = &read("manifest.json")[0];
    assert_eq!(saved["RepoTags"], json!(["ferrolb:1.2.3"]));
    let place = |described: &Value| format!("blobs/{}", described["digest"].as_str().unwrap().replace(':', "/"));
    assert_eq!(saved["Config"], place(&manifest["config"]));
    assert_eq!(saved["Layers"], json!([place(&manifest["layers"][0])]));
}

#[test]
fn files_of_the_image_are_of_root_and_of_one_time_with_the_folders_that_lead_to_them() {
    let folder = programs();
    let written = archive(&contents(folder.path())).unwrap();
    let files = files(&written.archive);
    let saved: Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
    let layer = unpacked(&files[saved[0]["Layers"][0].as_str().unwrap()]);
    let entries = entries(&layer);
    let modes: Vec<(&str, u32)> = entries.iter().map(|(path, mode, ..)| (path.as_str(), *mode)).collect();
    let expected = [
        ("usr/", 0o755),
        ("usr/local/", 0o755),
        ("usr/local/bin/", 0o755),
        ("usr/local/bin/ferrolb", 0o755),
        ("usr/local/bin/ferrolb-controller", 0o755),
        ("usr/local/bin/ferrolb-speaker", 0o755),
        ("usr/local/share/", 0o755),
        ("usr/local/share/doc/", 0o755),
        ("usr/local/share/doc/LICENSE", 0o644),
    ];
    assert_eq!(modes, expected);
    let created = u64::try_from(CREATED).unwrap();
    assert!(entries.iter().all(|(_, _, owner, time, _)| (*owner, *time) == (0, created)));
    assert_eq!(entries[3].4, fs::read(folder.path().join("ferrolb")).unwrap());
    let size: usize = entries.iter().map(|(.., content)| content.len()).sum();
    assert_eq!(written.size, size);
}

#[test]
fn a_fast_image_holds_the_same() {
    let folder = programs();
    let small = archive(&contents(folder.path())).unwrap();
    let fast = archive(&Contents { compression: Compression::Fast, ..contents(folder.path()) }).unwrap();
    let layer = |archive: &[u8]| {
        let files = files(archive);
        let saved: Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
        unpacked(&files[saved[0]["Layers"][0].as_str().unwrap()])
    };
    assert!(layer(&small.archive) == layer(&fast.archive) && small.compressed <= fast.compressed);
}

#[test]
fn names_are_those_that_container_engines_mean() {
    let folder = programs();
    for (name, full) in [
        ("ferrolb:1", "docker.io/library/ferrolb:1"),
        ("team/ferrolb:1", "docker.io/team/ferrolb:1"),
        ("mirror.example/ferrolb:1", "mirror.example/ferrolb:1"),
        ("localhost/ferrolb:1", "localhost/ferrolb:1"),
        ("mirror:5000/ferrolb:1", "mirror:5000/ferrolb:1"),
    ] {
        let written = archive(&Contents { name: name.to_owned(), ..contents(folder.path()) }).unwrap();
        let index: Value = serde_json::from_slice(&files(&written.archive)["index.json"]).unwrap();
        assert_eq!(index["manifests"][0]["annotations"]["io.containerd.image.name"], full);
    }
}

#[test]
fn targets_are_platforms_and_others_are_refused() {
    for (target, architecture, variant) in [
        ("x86_64-unknown-linux-musl", "amd64", None),
        ("aarch64-unknown-linux-gnu", "arm64", None),
        ("armv7-unknown-linux-gnueabihf", "arm", Some("v7")),
        ("powerpc64le-unknown-linux-gnu", "ppc64le", None),
        ("s390x-unknown-linux-gnu", "s390x", None),
    ] {
        assert_eq!(Platform::of(target).unwrap(), Platform { architecture, variant });
    }
    for target in ["", "x86_64", "x86_64-apple-darwin", "wasm32-unknown-unknown"] {
        assert!(matches!(Platform::of(target), Err(Error::Target(_))), "{target}");
    }
}

#[test]
fn what_is_missing_or_no_path_is_named() {
    let empty = tempfile::tempdir().unwrap();
    let error = archive(&contents(empty.path())).unwrap_err();
    assert!(matches!(&error, Error::File { path, .. } if path.ends_with("ferrolb")), "{error}");
    let folder = programs();
    for path in ["../up".to_owned(), format!("{}/x", "a".repeat(200))] {
        let mut contents = contents(folder.path());
        contents.files.insert(path.clone(), Source::Document(Vec::new()));
        let error = archive(&contents).unwrap_err();
        assert!(matches!(&error, Error::Path { .. }), "{path}: {error}");
    }
}

#[test]
fn the_dockerfile_makes_the_same_image() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = fs::read_to_string(root.join("Dockerfile")).unwrap();
    for package in PACKAGES {
        assert!(text.contains(&format!("--package {package}")), "{package}");
    }
    let programs = format!("/image/usr/local/bin {}", NAMES.join(" "));
    let lines = ["FROM scratch", "ENV PATH=/usr/local/bin", "USER 65534:65534", "+crt-static", &programs];
    for line in lines {
        assert!(text.contains(line), "{line}");
    }
}

/// A small workspace: a program, a library of its own, and what a panic would tell of the place.
fn small_workspace() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let package = |name: &str| format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
    write(
        "Cargo.toml",
        "[workspace]\nmembers = [\"part\", \"whole\"]\nresolver = \"3\"\n[profile.release]\nstrip = true\n",
    );
    write(
        "Cargo.lock",
        "version = 4\n[[package]]\nname = \"part\"\nversion = \"0.1.0\"\n\n[[package]]\nname = \"whole\"\nversion = \"0.1.0\"\ndependencies = [\n \"part\",\n]\n",
    );
    write("part/Cargo.toml", &package("part"));
    // What is generated is known by its full path, as are crates from a registry.
    let script = "fn main() {\n    let path = std::env::var(\"OUT_DIR\").unwrap() + \"/place.rs\";\n    \
        std::fs::write(path, \"pub fn place() -> &'static str { file!() }\").unwrap();\n}\n";
    write("part/build.rs", script);
    write("part/src/lib.rs", "include!(concat!(env!(\"OUT_DIR\"), \"/place.rs\"));");
    write("whole/Cargo.toml", &format!("{}[dependencies]\npart = {{ path = \"../part\" }}\n", package("whole")));
    let main = "fn main() {\n    println!(\"{} {}\", part::place(), std::panic::Location::caller());\n}\n";
    write("whole/src/main.rs", main);
    folder
}

#[test]
fn programs_are_the_same_wherever_they_are_built_and_need_no_library() {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let built = [small_workspace(), small_workspace()].map(|workspace| {
        let directory = workspace.path().join("some").join("target");
        let packages = vec!["whole".to_owned()];
        let root = workspace.path().to_owned();
        let folder = build(&Build { root, directory, target: target.clone(), packages }).unwrap();
        let program = folder.join("whole");
        let output = Command::new(&program).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let (generated, written) = said.trim_end().split_once(' ').unwrap();
        assert!(generated.starts_with("/target/") && generated.ends_with("/out/place.rs"), "{said}");
        assert!(!written.contains("/tmp"), "{said}");
        let bytes = fs::read(program).unwrap();
        assert!(!interpreted(&bytes), "it is loaded by another program");
        bytes
    });
    let [one, other] = &built;
    assert!(one == other, "{} and {}", hex(one), hex(other));
}

/// Whether an ELF file of 64 bits names a program that loads it (a program header of type `PT_INTERP`).
fn interpreted(elf: &[u8]) -> bool {
    let number =
        |at: usize, length: usize| elf[at..at + length].iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    assert_eq!((&elf[..4], elf[4], elf[5]), (&b"\x7fELF"[..], 2, 1), "64 bits, the lowest byte first");
    let (begin, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    (0..count).any(|index| number(begin + index * size, 4) == 3)
}

#[test]
fn the_bill_names_every_crate_that_is_linked_with_licence_and_digest() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let bill = sbom(root, &PACKAGES, "x86_64-unknown-linux-gnu").unwrap();
    let components = bill["components"].as_array().unwrap();
    let refs: Vec<&str> = components.iter().map(|one| one["bom-ref"].as_str().unwrap()).collect();
    assert!(refs.is_sorted() && components.len() > 100, "{}", components.len());
    for component in components {
        assert!(component["licenses"][0]["expression"].is_string(), "{}: no licence", component["name"]);
        let own = component["name"].as_str().unwrap().starts_with("ferrolb-");
        assert_eq!(component["hashes"].is_null(), own, "{}", component["name"]);
    }
    let has = |name: &str| components.iter().any(|component| component["name"] == name);
    assert!(has("ferrolb-gossip") && has("tokio") && has("ring"));
    assert!(!has("proptest") && !has("ferrolb-integration") && !has("tempfile"), "tests are not in the image");
    for dependency in bill["dependencies"].as_array().unwrap() {
        for used in dependency["dependsOn"].as_array().unwrap() {
            assert!(refs.contains(&used.as_str().unwrap()), "{used}");
        }
    }
    assert!(matches!(sbom(root, &["nothing"], "x86_64-unknown-linux-gnu"), Err(Error::NoPackage(_))));
}
