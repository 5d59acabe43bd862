//! Status below `PATH/status/`: one file an object, replaced as a whole; events as JSON lines.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ferrolb_api::annotations::ALLOCATED_FROM_POOL;
use ferrolb_api::v1beta1::IPAddressPoolStatus;
use jiff::Timestamp;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::{Value, json};

use super::STATUS;
use crate::announcement::Protocol;
use crate::object::ObjectKey;
use crate::writer::{Event, WriteError};

/// `events.jsonl` grows to this many bytes; then it becomes `events.jsonl.1` and a new one begins.
const EVENTS_LIMIT: u64 = 1 << 20;

/// How the name of a file ends that is still being written.
const TEMPORARY: &str = ".tmp";
/// Nobody writes a file for so long, whatever its clock says: who began it is dead.
const ABANDONED: Duration = Duration::from_secs(3600);

/// The writing side of a directory.
#[derive(Debug)]
pub(crate) struct StatusDirectory {
    root: PathBuf,
    /// Held open for the locks on them; the kernel gives them up when the process ends, however it ends.
    locks: Mutex<Vec<File>>,
}

// === impl StatusDirectory ===

impl StatusDirectory {
    pub(crate) fn new(path: &Path) -> Self {
        Self { root: path.join(STATUS), locks: Mutex::new(Vec::new()) }
    }

    /// Removes what writers that were killed have left behind. Where that fails, more is left behind.
    pub(crate) fn sweep(&self) {
        #[expect(clippy::disallowed_methods, reason = "the edge reads the clock, for the age of files")]
        let now = SystemTime::now();
        match sweep(&self.root, now) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::debug!(error = &error as &dyn std::error::Error, "unfinished statuses left where they are");
            }
            Ok(()) | Err(_) => {}
        }
    }

    /// Takes the lock on the directory, which is there however often `status/` is removed, or says that somebody else
    /// has it.
    pub(crate) fn lock(&self, who: &str) -> Result<(), WriteError> {
        let path = self.root.parent().unwrap_or(&self.root);
        let failed = |source: io::Error| WriteError::io(path.display().to_string(), source);
        let directory = File::open(path).map_err(failed)?;
        directory.try_lock().map_err(|error| {
            failed(match error {
                fs::TryLockError::Error(error) => error,
                fs::TryLockError::WouldBlock => io::Error::new(
                    io::ErrorKind::AddrInUse,
                    format!("another {who} works on this directory; stop one of them"),
                ),
            })
        })?;
        self.locks.lock().push(directory);
        Ok(())
    }

    pub(crate) fn write_service(&self, key: &ObjectKey, ips: &[IpAddr], pool: Option<&str>) -> Result<(), WriteError> {
        let annotations: BTreeMap<&str, &str> = pool.map(|pool| (ALLOCATED_FROM_POOL, pool)).into_iter().collect();
        let balancer = if ips.is_empty() {
            json!({})
        } else {
            json!({ "ingress": ips.iter().map(|ip| json!({ "ip": ip })).collect::<Vec<_>>() })
        };
        let status = json!({ "loadBalancer": balancer });
        self.write("services", "v1", "Service", key, &json!(annotations), &status)
    }

    pub(crate) fn write_pool(&self, key: &ObjectKey, status: IPAddressPoolStatus) -> Result<(), WriteError> {
        self.write("ipaddresspools", "metallb.io/v1beta1", "IPAddressPool", key, &json!({}), &json!(status))
    }

    pub(crate) fn write_announcement(
        &self,
        protocol: Protocol,
        namespace: &str,
        service: &ObjectKey,
        node: &str,
        places: &[String],
    ) -> Result<(), WriteError> {
        let key = ObjectKey::new(namespace, protocol.object_name(service, node));
        let status = protocol.status(service, node, places);
        self.write(protocol.plural(), "metallb.io/v1beta1", protocol.kind(), &key, &json!({}), &status)
    }

    pub(crate) fn remove_announcement(
        &self,
        protocol: Protocol,
        namespace: &str,
        service: &ObjectKey,
        node: &str,
    ) -> Result<(), WriteError> {
        let file = format!("{}.yaml", protocol.object_name(service, node));
        let path = self.root.join(protocol.plural()).join(namespace).join(file);
        let remove = || -> io::Result<()> {
            let text = fs::read_to_string(&path)?;
            let status: Value = serde_yaml::from_str(&text).map_err(io::Error::other)?;
            if status.pointer("/status/node").and_then(Value::as_str) == Some(node) {
                fs::remove_file(&path)?;
            }
            Ok(())
        };
        match remove() {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(WriteError::io(path.display().to_string(), source))
            }
            _ => Ok(()),
        }
    }

    fn write(
        &self,
        plural: &str,
        version: &str,
        kind: &str,
        key: &ObjectKey,
        annotations: &Value,
        status: &Value,
    ) -> Result<(), WriteError> {
        let mut metadata = json!({ "name": key.name, "namespace": key.namespace });
        if annotations.as_object().is_some_and(|map| !map.is_empty())
            && let Some(map) = metadata.as_object_mut()
        {
            map.insert("annotations".to_owned(), annotations.clone());
        }
        let object = json!({ "apiVersion": version, "kind": kind, "metadata": metadata, "status": status });
        let folder = self.root.join(plural).join(&*key.namespace);
        replace(&folder, &key.name, &object)
            .map_err(|source| WriteError::io(format!("the status of {kind} {key}"), source))
    }

    /// Removes the files below `plural` whose object is gone.
    pub(crate) fn retain(&self, plural: &str, exists: &dyn Fn(&ObjectKey) -> bool) -> Result<(), WriteError> {
        let folder = self.root.join(plural);
        retain(&folder, exists).map_err(|source| WriteError::io(folder.display().to_string(), source))
    }

    /// One line in one write, so that lines of several writers never mix.
    pub(crate) fn append_event(&self, event: &Event) -> Result<(), WriteError> {
        #[derive(Serialize)]
        struct Line<'a> {
            time: String,
            #[serde(flatten)]
            event: &'a Event,
        }
        let path = self.root.join("events.jsonl");
        let append = || -> io::Result<()> {
            fs::create_dir_all(&self.root)?;
            if fs::metadata(&path).is_ok_and(|metadata| metadata.len() >= EVENTS_LIMIT) {
                fs::rename(&path, self.root.join("events.jsonl.1"))?;
            }
            let time = Timestamp::now().to_string();
            let mut line = serde_json::to_vec(&Line { time, event })?;
            line.push(b'\n');
            OpenOptions::new().create(true).append(true).open(&path)?.write_all(&line)
        };
        append().map_err(|source| WriteError::io(path.display().to_string(), source))
    }
}

/// Writes beside the file and renames: readers see the old one or the new one, never half of it.
fn replace(folder: &Path, name: &str, object: &Value) -> io::Result<()> {
    make(folder)?;
    // Short enough for any file system, and nobody else's.
    let kept: String = name.chars().take(100).collect();
    let temporary = folder.join(format!(".{kept}.{}{TEMPORARY}", std::process::id()));
    let text = serde_yaml::to_string(object).map_err(io::Error::other)?;
    let mut file = File::create(&temporary)?;
    file.write_all(text.as_bytes())?;
    // The address is promised once the name points at it, also across a loss of power.
    file.sync_all()?;
    fs::rename(&temporary, folder.join(format!("{name}.yaml")))?;
    sync(folder)
}

/// Makes a folder and those above it that are missing, so that they are there after a loss of power too.
fn make(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let missing: Vec<&Path> = folder.ancestors().take_while(|folder| !folder.is_dir()).collect();
    fs::create_dir_all(folder)?;
    missing.into_iter().filter_map(Path::parent).try_for_each(sync)
}

/// Names in a folder outlive a loss of power once the folder itself is on the disk.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Removes what writers that were killed have left behind below `folder`.
fn sweep(folder: &Path, now: SystemTime) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            sweep(&entry.path(), now)?;
            continue;
        }
        let name = entry.file_name();
        let temporary = name.to_str().is_some_and(|name| name.starts_with('.') && name.ends_with(TEMPORARY));
        let age = now.duration_since(metadata.modified()?).unwrap_or_default();
        if temporary && age > ABANDONED {
            // Another process may sweep too.
            drop(fs::remove_file(entry.path()));
        }
    }
    Ok(())
}

fn retain(folder: &Path, exists: &dyn Fn(&ObjectKey) -> bool) -> io::Result<()> {
    let namespaces = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for namespace in namespaces {
        let namespace = namespace?;
        let Ok(files) = fs::read_dir(namespace.path()) else { continue };
        for file in files {
            let file = file?;
            let (file_name, namespace) = (file.file_name(), namespace.file_name());
            let (Some(file_name), Some(namespace)) = (file_name.to_str(), namespace.to_str()) else { continue };
            let Some(name) = file_name.strip_suffix(".yaml").filter(|name| !name.starts_with('.')) else { continue };
            if !exists(&ObjectKey::new(namespace, name)) {
                match fs::remove_file(file.path()) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    other => other?,
                }
            }
        }
    }
    Ok(())
}
