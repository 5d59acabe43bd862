//! One archive that is an OCI image layout (its `oci-layout` and `index.json`) and what `docker save` writes (its
//! `manifest.json`), with one compressed layer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use flate2::GzBuilder;
use ring::digest::{SHA256, digest};
use serde_json::{Map, Value, json};

use super::error::{Error, file};
use super::{NAMES, PROGRAMS};

const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const BARE_LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
/// Nobody; a container that needs another user says so.
const USER: &str = "65534:65534";

/// Where a file of the image comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A program: a file of this machine that the image may run.
    Program(PathBuf),
    /// A document with this content.
    Document(Vec<u8>),
}

/// How much time the size is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// For images that are sent around.
    #[default]
    Small,
    /// For images of a test, which stay on this machine.
    Fast,
    /// For large images of a test: the layer is as it is.
    None,
}

/// What an image runs on, in the words of OCI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// `amd64`, `arm64`, ...
    pub architecture: &'static str,
    /// `v7` of `arm`.
    pub variant: Option<&'static str>,
}

/// What is to be in an image.
#[derive(Debug, Clone)]
pub struct Contents {
    /// Files by their path in the image, without the slash at the beginning.
    pub files: BTreeMap<String, Source>,
    /// What it is called: `ferrolb:0.1.0`, or with a registry in front.
    pub name: String,
    /// What it runs on.
    pub platform: Platform,
    /// When it was made, in seconds since 1970; every file is of that time.
    pub created: i64,
    /// Labels, such as `org.opencontainers.image.version`.
    pub labels: BTreeMap<String, String>,
    /// How much time the size is worth.
    pub compression: Compression,
    /// What a container runs that says nothing else.
    pub command: Vec<String>,
    /// As whom it runs: numbers of a user and a group. Default: nobody.
    pub user: String,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The archive.
    pub archive: Vec<u8>,
    /// Digest of the manifest, by which a registry knows the image: `sha256:...`.
    pub digest: String,
    /// Bytes of all files together.
    pub size: usize,
    /// Bytes of the compressed layer, which is what is pulled.
    pub compressed: usize,
}

// === impl Platform ===

impl Platform {
    /// The platform that a target of the compiler stands for.
    ///
    /// # Errors
    /// [`Error::Target`] where it stands for none.
    pub fn of(target: &str) -> Result<Self, Error> {
        let (processor, rest) = target.split_once('-').unwrap_or_default();
        let (architecture, variant) = match processor {
            "x86_64" => ("amd64", None),
            "aarch64" => ("arm64", None),
            "armv7" => ("arm", Some("v7")),
            "powerpc64le" => ("ppc64le", None),
            "s390x" => ("s390x", None),
            "riscv64gc" => ("riscv64", None),
            _ => return Err(Error::Target(target.to_owned())),
        };
        if !rest.contains("linux") {
            return Err(Error::Target(target.to_owned()));
        }
        Ok(Self { architecture, variant })
    }
}

// === impl Contents ===

impl Contents {
    /// The programs of a folder as an image of this name, made at second 0.
    pub fn new(folder: &Path, name: &str, platform: Platform) -> Self {
        let program = |name: &str| (format!("{PROGRAMS}/{name}"), Source::Program(folder.join(name)));
        Self {
            files: NAMES.map(program).into(),
            name: name.to_owned(),
            platform,
            created: 0,
            labels: BTreeMap::new(),
            compression: Compression::default(),
            command: vec![format!("/{PROGRAMS}/ferrolb"), "--help".to_owned()],
            user: USER.to_owned(),
        }
    }
}

/// Writes the image as an archive.
///
/// # Errors
/// A program cannot be read, or a path or time is none.
pub fn archive(contents: &Contents) -> Result<Written, Error> {
    let (layer, size) = layer(contents)?;
    let digest_of_layer = sha256(&layer);
    let (kind_of_layer, compressed) = compress(layer, contents.compression);
    let created = timestamp(contents.created)?;
    let config = to_bytes(&config(contents, &created, &digest_of_layer));
    let described = |kind: &str, blob: &[u8]| json!({ "mediaType": kind, "digest": sha256(blob), "size": blob.len() });
    let manifest = to_bytes(&json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": described(CONFIG_TYPE, &config),
        "layers": [described(kind_of_layer, &compressed)],
        "annotations": contents.labels,
    }));
    let digest = sha256(&manifest);
    let tag = contents.name.rsplit_once(':').map_or("latest", |(_, tag)| tag);
    let index = json!({
        "schemaVersion": 2,
        "mediaType": INDEX_TYPE,
        "manifests": [{
            "mediaType": MANIFEST_TYPE,
            "digest": digest,
            "size": manifest.len(),
            "platform": platform(&contents.platform),
            "annotations": {
                "io.containerd.image.name": qualified(&contents.name),
                "org.opencontainers.image.ref.name": tag,
            },
        }],
    });
    let saved = json!([{
        "Config": place(&config), "RepoTags": [contents.name], "Layers": [place(&compressed)],
    }]);
    let mut tar = Tar::new(contents.created);
    for blob in
        [&config, &manifest, &compressed].map(|blob| (place(blob), blob)).into_iter().collect::<BTreeMap<_, _>>()
    {
        tar.file(&blob.0, 0o644, blob.1)?;
    }
    tar.file("index.json", 0o644, &to_bytes(&index))?;
    tar.file("manifest.json", 0o644, &to_bytes(&saved))?;
    tar.file("oci-layout", 0o644, &to_bytes(&json!({ "imageLayoutVersion": "1.0.0" })))?;
    Ok(Written { archive: tar.finish(), digest, size, compressed: compressed.len() })
}

/// The layer, and the bytes of its files.
fn layer(contents: &Contents) -> Result<(Vec<u8>, usize), Error> {
    let mut tar = Tar::new(contents.created);
    let mut size = 0;
    for (path, source) in &contents.files {
        let read;
        let (mode, content) = match source {
            Source::Program(from) => {
                read = fs::read(from).map_err(file(from))?;
                (0o755, &read)
            }
            Source::Document(content) => (0o644, content),
        };
        size += content.len();
        tar.file(path, mode, content)?;
    }
    Ok((tar.finish(), size))
}

fn config(contents: &Contents, created: &str, layer: &str) -> Value {
    let mut config = platform(&contents.platform);
    let more = [
        ("created", created.into()),
        (
            "config",
            json!({
                "User": contents.user,
                "Env": [format!("PATH=/{PROGRAMS}")],
                "Cmd": contents.command,
                "Labels": contents.labels,
            }),
        ),
        ("rootfs", json!({ "type": "layers", "diff_ids": [layer] })),
        ("history", json!([{ "created": created, "created_by": "ferrolb image" }])),
    ];
    config.extend(more.map(|(key, value)| (key.to_owned(), value)));
    config.into()
}

fn platform(platform: &Platform) -> Map<String, Value> {
    let known = [("os", Some("linux")), ("architecture", Some(platform.architecture)), ("variant", platform.variant)];
    known.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.into()))).collect()
}

/// A name as containerd has it: with the registry that everybody means who names none.
fn qualified(name: &str) -> String {
    match name.split_once('/') {
        None => format!("docker.io/library/{name}"),
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => name.to_owned(),
        Some(_) => format!("docker.io/{name}"),
    }
}

/// Where a blob is in the archive.
fn place(blob: &[u8]) -> String {
    format!("blobs/{}", sha256(blob).replace(':', "/"))
}

fn sha256(bytes: &[u8]) -> String {
    let mut text = "sha256:".to_owned();
    for byte in digest(&SHA256, bytes).as_ref() {
        // Writing to a text cannot fail.
        write!(text, "{byte:02x}").ok();
    }
    text
}

fn to_bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn timestamp(seconds: i64) -> Result<String, Error> {
    let time = jiff::Timestamp::from_second(seconds).map_err(|_out_of_range| Error::Time(seconds))?;
    Ok(time.to_string())
}

/// The layer, and of what type it is then. In memory, so nothing can fail.
fn compress(bytes: Vec<u8>, compression: Compression) -> (&'static str, Vec<u8>) {
    let level = match compression {
        Compression::Small => flate2::Compression::best(),
        Compression::Fast => flate2::Compression::fast(),
        Compression::None => return (BARE_LAYER_TYPE, bytes),
    };
    // Neither a name nor a time nor the system that it was made on is told.
    let mut encoder = GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), level);
    (LAYER_TYPE, encoder.write_all(&bytes).and_then(|()| encoder.finish()).unwrap_or_default())
}

/// A tar archive whose files are of one owner and time.
struct Tar {
    builder: tar::Builder<Vec<u8>>,
    created: u64,
    /// Folders that are there.
    folders: BTreeSet<String>,
}

// === impl Tar ===

impl Tar {
    fn new(created: i64) -> Self {
        let created = u64::try_from(created).unwrap_or_default();
        Self { builder: tar::Builder::new(Vec::new()), created, folders: BTreeSet::new() }
    }

    /// Appends a file, and before it the folders that lead to it.
    fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> Result<(), Error> {
        for (end, _) in path.match_indices('/') {
            let folder = path.get(..=end).unwrap_or_default().to_owned();
            if self.folders.insert(folder.clone()) {
                self.entry(&folder, tar::EntryType::Directory, 0o755, &[])?;
            }
        }
        self.entry(path, tar::EntryType::Regular, mode, content)
    }

    fn entry(&mut self, path: &str, kind: tar::EntryType, mode: u32, content: &[u8]) -> Result<(), Error> {
        let wrong = |source: io::Error| Error::Path { path: path.to_owned(), source };
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_path(path).map_err(wrong)?;
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(self.created);
        header.set_size(u64::try_from(content.len()).unwrap_or(u64::MAX));
        header.set_cksum();
        self.builder.append(&header, content).map_err(wrong)
    }

    /// In memory, so nothing can fail.
    fn finish(self) -> Vec<u8> {
        self.builder.into_inner().unwrap_or_default()
    }
}
