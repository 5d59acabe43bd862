//! `support-bundle`: what a maintainer needs to find a fault, in one file, without secrets.
//!
//! What can be got is got; what cannot is named in `missing.txt` with the reason. No Secret is asked for.

mod archive;
mod cluster;
mod directory;
mod logs;
mod redact;
mod resources;
mod text;
mod words;

use std::io::Write;
use std::path::{Path, PathBuf};

use archive::Collection;
use ferrolb_source::Location;
use ferrolb_speaker::admin::Question;
use jiff::Timestamp;

use crate::access::{Asked, Place};
use crate::ask::ask;
use crate::output::{Failure, remark};

/// Collects everything into `file` (default: `ferrolb-support-TIME.tar.gz` here) and prints what was done.
///
/// # Errors
/// The file cannot be written, or the source is none. What cannot be got is no error.
pub fn support_bundle(source: &str, asked: &Asked, place: &Place, file: Option<&Path>) -> Result<(), Failure> {
    let failed = |error: &dyn std::error::Error| Failure::Failed(error.to_string());
    let location: Location =
        source.parse().map_err(|error: ferrolb_source::SourceError| Failure::BadInput(error.to_string()))?;
    let now = Timestamp::now();
    let folder = format!("ferrolb-support-{}", now.strftime("%Y%m%d-%H%M%S"));
    let file = file.map_or_else(|| PathBuf::from(format!("{folder}.tar.gz")), Path::to_owned);
    let mut collection = Collection::new().map_err(|error| failed(&error))?;
    let whence = match &location {
        Location::Directory(path) => {
            directory::collect(path, &mut collection)?;
            here(place, &mut collection);
            format!("the directory {}", path.display())
        }
        Location::Kubernetes => {
            cluster::collect(asked, place, &mut collection)?;
            if place.socket.exists() {
                here(place, &mut collection);
            }
            "the API server".to_owned()
        }
    };
    let about = format!(
        "A support bundle of ferrolb, made by ferrolb {} at {now} from {whence}.\n\
         Passwords, keys, tokens and values of variables were replaced by [removed]; Secrets were not asked for.\n\
         What could not be got is in missing.txt. Look through it before you pass it on: names and addresses are in it.\n",
        env!("CARGO_PKG_VERSION"),
    );
    let files = collection.finish(&about);
    let cannot = |error: std::io::Error| Failure::Failed(format!("cannot write {}: {error}", file.display()));
    files.write(&file, &folder, u64::try_from(now.as_second()).unwrap_or(0)).map_err(cannot)?;
    let (count, size) = (files.files.len(), std::fs::metadata(&file).map_or(0, |metadata| metadata.len()));
    writeln!(std::io::stdout().lock(), "{}: {count} files, {size} bytes", file.display())?;
    if files.missing > 0 {
        remark(format_args!("{} things could not be got; they are named in its missing.txt", files.missing));
    }
    Ok(())
}

/// What the speaker of this machine says.
fn here(place: &Place, collection: &mut Collection) {
    let mut services = Vec::new();
    for (name, question) in [("status", Question::Status), ("members", Question::Members), ("l2", Question::Layer2)] {
        match ask(&place.socket, &question) {
            Ok(answer) => {
                if question == Question::Status {
                    services = cluster::services_of(&answer);
                }
                collection.tree(format!("speakers/here/{name}.yaml"), answer);
            }
            Err(failure) => {
                collection.missing("what the speaker of this machine says", failure.to_string());
                return;
            }
        }
    }
    for service in services.into_iter().take(cluster::MOST_EXPLAINED) {
        let name = format!("speakers/here/explain/{}.yaml", service.replace('/', "_"));
        match ask(&place.socket, &Question::Explain { service }) {
            Ok(answer) => collection.tree(name, answer),
            Err(failure) => collection.missing(name, failure.to_string()),
        }
    }
}
