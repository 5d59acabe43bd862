//! What a directory of manifests says: every file of it, with Secrets left out, and the metrics of this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::{Client, Config};

use super::archive::Collection;
use crate::access::block_on;
use crate::output::Failure;

/// Where daemons without an API server serve their metrics, unless told otherwise.
const METRICS: &str = "http://127.0.0.1:9120";
/// A daemon of this machine answers by then.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// A file that is longer is no manifest of a human being; of logs of events the end counts.
const LONGEST_FILE: u64 = 16 << 20;
/// Folders in folders beyond this are a loop.
const DEEPEST: usize = 16;

/// Collects a directory.
///
/// # Errors
/// It is none.
pub(super) fn collect(path: &Path, collection: &mut Collection) -> Result<(), Failure> {
    let mut files = Vec::new();
    let unreadable = |error| Failure::BadInput(format!("--source dir={}: {error}", path.display()));
    fs::read_dir(path).map_err(unreadable)?;
    find(path, 0, &mut files, collection);
    files.sort();
    for file in files {
        let shown = file.strip_prefix(path).unwrap_or(&file).display().to_string();
        match read(&file) {
            // Events: one document of JSON a line.
            Ok(text) if file.extension().is_some_and(|extension| extension == "jsonl") => {
                let lines: Vec<_> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
                collection.tree(format!("source/{shown}.yaml"), serde_json::Value::Array(lines));
            }
            Ok(text) => collection.document(format!("source/{shown}"), &text),
            Err(why) => collection.missing(format!("source/{shown}"), why),
        }
    }
    let metrics = block_on(async { metrics().await.map_err(Failure::Failed) });
    match metrics {
        Ok(text) => collection.text("metrics/here.txt", text),
        Err(failure) => collection.missing(format!("{METRICS}/metrics"), failure.to_string()),
    }
    Ok(())
}

fn read(file: &Path) -> Result<String, String> {
    let size = fs::metadata(file).map_err(|error| error.to_string())?.len();
    if size > LONGEST_FILE {
        return Err(format!("it has {size} bytes"));
    }
    fs::read_to_string(file).map_err(|error| error.to_string())
}

/// Manifests and what stands below `status/`.
fn find(folder: &Path, depth: usize, found: &mut Vec<PathBuf>, collection: &mut Collection) {
    let entries = match fs::read_dir(folder) {
        Ok(entries) if depth < DEEPEST => entries,
        Ok(_) => return collection.missing(folder.display().to_string(), "it is too deep"),
        Err(error) => return collection.missing(folder.display().to_string(), error.to_string()),
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        let kind = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if path.is_dir() {
            find(&path, depth + 1, found, collection);
        } else if ["yaml", "yml", "json", "jsonl"].contains(&kind) {
            found.push(path);
        }
    }
}

async fn metrics() -> Result<String, String> {
    let url = METRICS.parse().map_err(|error: http::uri::InvalidUri| error.to_string())?;
    let client = Client::try_from(Config::new(url)).map_err(|error| error.to_string())?;
    let request = http::Request::get("/metrics").body(Vec::new()).map_err(|error| error.to_string())?;
    let answer = tokio::time::timeout(ANSWER_WITHIN, client.request_text(request)).await;
    let answer = answer.map_err(|_elapsed| "no answer".to_owned())?;
    answer.map_err(|error| crate::remote::chain(&error))
}
