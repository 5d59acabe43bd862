//! The collections of manifests: what `ferrolb validate` says of a file the API server says to whoever applies it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ferrolb_integration::apiserver::ControlPlane;
use futures::future::join_all;
use kube::Client;
use serde_json::Value;

use crate::ask::{Answer, ask, delete, may_create, path};
use crate::common::{apply, documents};
use crate::installation::{installation, program};
use crate::patience::within;

/// How long what was changed may take to be known to the controller, before a file counts as judged wrongly.
const KNOWN: Duration = Duration::from_secs(10);

/// A file of a collection.
struct Case {
    file: String,
    /// Everything in it but the subject.
    companions: Vec<Value>,
    /// What the first line names as wrong; in a good file there is none.
    subject: Option<Value>,
    /// What `ferrolb validate` says.
    sentences: Vec<String>,
}

/// Who refused something.
enum Refused {
    /// The schema of the CRD, before any webhook was asked.
    BySchema,
    ByWebhook,
}

#[tokio::test]
async fn the_api_server_says_what_validate_says_of_every_manifest() {
    let Some(installation) = installation().await else { return };
    let cluster = &installation.cluster;
    let client = installation.client().await;
    let broken = collection("broken");
    let mut failures = all_at_once(cluster, &broken).await;
    for case in broken {
        // Files are called after the schema whose business they are; but an API server older than 1.36 does not hold
        // numbers to their format (kubernetes/kubernetes#136582) and leaves that to the webhook.
        let schema = case.file.starts_with("schema-");
        match is_refused(cluster, &client, &case).await {
            Ok(Refused::BySchema) if !schema => failures.push(format!("broken/{}: no webhook was asked", case.file)),
            Ok(Refused::BySchema | Refused::ByWebhook) => {}
            Err(reason) => failures.push(format!("broken/{}: {reason}", case.file)),
        }
        remove(&client, &case).await;
    }
    for case in collection("missing") {
        if let Err(reason) = is_warned_of(cluster, &client, &case).await {
            failures.push(format!("missing/{}: {reason}", case.file));
        }
        remove(&client, &case).await;
    }
    for case in collection("good") {
        if let Err(reason) = is_admitted(cluster, &case).await {
            failures.push(format!("good/{}: {reason}", case.file));
        }
        remove(&client, &case).await;
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// Hands everything that is wrong by itself to one kubectl, which takes most of a process's time to begin: nothing of it
/// may be admitted, and what validate says has to be among the complaints.
async fn all_at_once(cluster: &ControlPlane, broken: &[Case]) -> Vec<String> {
    let alone: Vec<&Case> = broken.iter().filter(|case| case.companions.is_empty()).collect();
    let subjects: Vec<String> = alone.iter().filter_map(|case| case.subject.as_ref()).map(Value::to_string).collect();
    assert!(subjects.len() > 100 && subjects.len() == alone.len(), "{} of {}", subjects.len(), alone.len());
    let output = apply(cluster, &subjects.join("\n---\n")).await;
    let (done, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let mut failures: Vec<String> = done.lines().map(|line| format!("kubectl: {line}")).collect();
    let webhooks = alone.into_iter().filter(|case| !case.file.starts_with("schema-"));
    for case in webhooks {
        let unsaid = case.sentences.iter().filter(|sentence| !said.contains(sentence.as_str()));
        failures.extend(unsaid.map(|sentence| format!("kubectl: {} without {sentence}", case.file)));
    }
    failures
}

/// Whether the subject is refused with what validate says of it.
async fn is_refused(cluster: &ControlPlane, client: &Client, case: &Case) -> Result<Refused, String> {
    let subject = case.subject.as_ref().ok_or("the first line names no object of the file")?;
    bring_companions(client, case).await?;
    let expected = |text: &str| case.sentences.iter().all(|sentence| text.contains(sentence.as_str()));
    let schema = |answer: &Answer| answer.code == 400 || answer.code == 422;
    let refused = within(KNOWN, async || {
        let answer = may_create(client, subject).await;
        if schema(&answer) || (answer.code == 403 && expected(answer.refusal())) { Ok(answer) } else { Err(answer) }
            .map_err(|answer| format!("{answer}\n  expected {:?}", case.sentences))
    });
    let refused = refused.await?;
    if !case.companions.is_empty() {
        let output = apply(cluster, &subject.to_string()).await;
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.success() || !(schema(&refused) || expected(&said)) {
            return Err(format!("kubectl: {}, {said}", output.status));
        }
    }
    Ok(if schema(&refused) { Refused::BySchema } else { Refused::ByWebhook })
}

/// Whether the subject is admitted with a warning of what validate says of it.
async fn is_warned_of(cluster: &ControlPlane, client: &Client, case: &Case) -> Result<(), String> {
    let subject = case.subject.as_ref().ok_or("the first line names no object of the file")?;
    bring_companions(client, case).await?;
    within(KNOWN, async || {
        let answer = may_create(client, subject).await;
        let warned =
            case.sentences.iter().all(|sentence| answer.warnings.iter().any(|warning| warning.contains(sentence)));
        if answer.code == 201 && warned { Ok(()) } else { Err(format!("{answer}\n  expected {:?}", case.sentences)) }
    })
    .await?;
    let output = apply(cluster, &subject.to_string()).await;
    let said = String::from_utf8_lossy(&output.stderr);
    let warned = case.sentences.iter().all(|sentence| said.contains(&format!("Warning: {sentence}")));
    if output.status.success() && warned { Ok(()) } else { Err(format!("kubectl: {}, {said}", output.status)) }
}

/// Whether all of the file is admitted.
async fn is_admitted(cluster: &ControlPlane, case: &Case) -> Result<(), String> {
    let all: Vec<String> = case.companions.iter().map(Value::to_string).collect();
    // What is gone may not be known to be gone yet.
    within(KNOWN, async || {
        let output = apply(cluster, &all.join("\n---\n")).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(()) } else { Err(said) }
    })
    .await
}

async fn bring_companions(client: &Client, case: &Case) -> Result<(), String> {
    for companion in &case.companions {
        let path = path(companion);
        let folder = path.rsplit_once('/').map_or(path.as_str(), |(folder, _name)| folder);
        within(KNOWN, async || ask(client, "POST", folder, companion).await.object()).await?;
    }
    Ok(())
}

async fn remove(client: &Client, case: &Case) {
    // Those who refer to others go first.
    let all: Vec<&Value> = case.companions.iter().chain(&case.subject).collect();
    let (profiles, others): (Vec<&Value>, Vec<&Value>) =
        all.into_iter().partition(|object| object["kind"] == "BFDProfile");
    join_all(others.into_iter().map(|object| delete(client, object))).await;
    for profile in profiles {
        let gone = within(KNOWN, async || {
            let answer = ask(client, "DELETE", &path(profile), &Value::Null).await;
            if answer.code == 200 || answer.code == 404 { Ok(()) } else { Err(answer.to_string()) }
        });
        gone.await.unwrap();
    }
}

/// The files of a collection, in order of name.
fn collection(name: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests").join(name);
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 10, "{name} holds {} files", files.len());
    files.iter().map(|file| case(file, name == "good")).collect()
}

fn case(file: &Path, good: bool) -> Case {
    let text = fs::read_to_string(file).unwrap();
    let mut companions = documents(&text);
    let mut subject = None;
    if !good {
        let (object, _what) = text.strip_prefix("# ").unwrap().split_once(", ").unwrap();
        let is_it = |document: &Value| {
            let name = document["metadata"]["name"].as_str().unwrap();
            format!("{} {name}", document["kind"].as_str().unwrap()) == object
        };
        subject = companions.iter().position(is_it).map(|place| companions.remove(place));
    }
    let file_name = file.file_name().unwrap().to_str().unwrap().to_owned();
    let sentences = validate(file);
    assert_eq!(sentences.is_empty(), good, "{file_name}: {sentences:?}");
    Case { file: file_name, companions, subject, sentences }
}

/// What `ferrolb validate` says of a directory that holds nothing but this file.
fn validate(file: &Path) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(file, folder.path().join("manifest.yaml")).unwrap();
    let mut command = Command::new(program("ferrolb"));
    command.env_remove("FERROLB_NAMESPACE").env_remove("METALLB_NAMESPACE").arg("validate").arg(folder.path());
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    said.lines().filter_map(|line| line.strip_prefix("  ")).map(str::to_owned).collect()
}
