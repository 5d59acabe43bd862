//! What is collected, and the archive that is made of it.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use tar::{Builder, Header};

use super::redact::Redactor;

/// All of a bundle takes at most this much memory and disk, unpacked; what does not fit is named in it.
const LARGEST: usize = 256 << 20;

/// A file of the bundle.
#[derive(Debug)]
enum Content {
    /// Printed as YAML.
    Tree(Value),
    /// Printed as it is.
    Text(String),
}

/// Everything that was got, and what was not. Secrets go as things come in, and once more when all is known.
#[derive(Debug)]
pub(super) struct Collection {
    redactor: Redactor,
    files: BTreeMap<String, Content>,
    /// What could not be got, and why.
    missing: Vec<(String, String)>,
    size: usize,
}

/// The files of a bundle, ready to be written.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) files: BTreeMap<String, String>,
    /// How many things could not be got.
    pub(super) missing: usize,
}

// === impl Collection ===

impl Collection {
    pub(super) fn new() -> Result<Self, regex::Error> {
        Ok(Self { redactor: Redactor::new()?, files: BTreeMap::new(), missing: Vec::new(), size: 0 })
    }

    /// A file of data.
    pub(super) fn tree(&mut self, name: impl Into<String>, mut value: Value) {
        self.redactor.tree(&mut value);
        let size = value.to_string().len();
        self.keep(name.into(), Content::Tree(value), size);
    }

    /// A file of lines.
    pub(super) fn text(&mut self, name: impl Into<String>, text: String) {
        let size = text.len();
        self.keep(name.into(), Content::Text(text), size);
    }

    /// A file of YAML or JSON as somebody wrote it.
    pub(super) fn document(&mut self, name: impl Into<String>, text: &str) {
        let text = self.redactor.document(text);
        self.text(name, text);
    }

    /// Something could not be got.
    pub(super) fn missing(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.missing.push((what.into(), why.into()));
    }

    fn keep(&mut self, name: String, content: Content, size: usize) {
        if self.size.saturating_add(size) > LARGEST {
            self.missing(name, format!("the bundle would be larger than {} MiB", LARGEST >> 20));
            return;
        }
        self.size += size;
        self.files.insert(name, content);
    }

    /// Removes what was learnt to be a secret from everything; `about` is what stands at the top of the first file.
    pub(super) fn finish(self, about: &str) -> Files {
        let Self { redactor, files, missing, size: _ } = self;
        let mut finished = BTreeMap::new();
        for (name, content) in files {
            let text = match content {
                Content::Text(text) => text,
                Content::Tree(mut tree) => {
                    redactor.finish_tree(&mut tree);
                    serde_yaml::to_string(&tree).unwrap_or_else(|error| format!("# cannot be printed: {error}\n"))
                }
            };
            finished.insert(redactor.finish(&name), redactor.finish(&text));
        }
        let line = |(name, text): (&String, &String)| format!("  {name} ({} bytes)\n", text.len());
        let index = format!("{about}\nFiles:\n{}", finished.iter().map(line).collect::<String>());
        finished.insert("README.txt".to_owned(), index);
        if !missing.is_empty() {
            let line = |(what, why): &(String, String)| redactor.finish(&format!("{what}: {why}")).replace('\n', " ");
            finished.insert("missing.txt".to_owned(), missing.iter().map(line).collect::<Vec<_>>().join("\n") + "\n");
        }
        Files { files: finished, missing: missing.len() }
    }
}

// === impl Files ===

impl Files {
    /// Writes the archive at one stroke, readable by its owner only: addresses and names of a whole cluster are in it.
    pub(super) fn write(&self, path: &Path, folder: &str, modified: u64) -> io::Result<()> {
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(".part");
        let unfinished = Path::new(&unfinished);
        let written = self.write_to(unfinished, folder, modified).and_then(|()| fs::rename(unfinished, path));
        if written.is_err() {
            // Half an archive is of no use to anybody.
            drop(fs::remove_file(unfinished));
        }
        written
    }

    fn write_to(&self, path: &Path, folder: &str, modified: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        let mut archive = Builder::new(GzEncoder::new(io::BufWriter::new(file), Compression::default()));
        for (name, text) in &self.files {
            let mut header = Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o600);
            header.set_mtime(modified);
            archive.append_data(&mut header, format!("{folder}/{name}"), text.as_bytes())?;
        }
        archive.into_inner()?.finish()?.flush()
    }
}
