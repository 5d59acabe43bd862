//! Runs `ferrolb` in a speaker's pod through `pods/exec`, within bounds of time and size.

use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, join, select};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::Client;
use kube::api::{Api, AttachParams};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::pods::{Speaker, chain, told};

/// No answer is longer: the status of a node with 100,000 Services is below it.
const LONGEST_ANSWER: u64 = 64 << 20;
/// Nor is a complaint.
const LONGEST_COMPLAINT: u64 = 16 << 10;
/// What waits between the connection and us.
const BUFFER: usize = 64 << 10;
/// The exit code of `ferrolb` for a question that has no answer, such as that for an unknown Service.
const BAD_INPUT: &str = "2";

/// Why a speaker gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// It was asked something that it does not know.
    Refused(String),
    /// It could not be asked.
    Failed(String),
}

// === impl NoAnswer ===

impl NoAnswer {
    /// The sentence.
    pub(crate) fn sentence(&self) -> &str {
        match self {
            Self::Refused(sentence) | Self::Failed(sentence) => sentence,
        }
    }
}

/// The answer to a question (`status`, or `explain default/web`) of one speaker.
pub(crate) async fn ask(
    client: &Client,
    speaker: &Speaker,
    question: &[&str],
    patience: Duration,
) -> Result<Value, NoAnswer> {
    if let Some(reason) = &speaker.unfit {
        return Err(NoAnswer::Failed(reason.clone()));
    }
    let answer = tokio::time::timeout(patience, run(client, speaker, question)).await;
    answer.unwrap_or_else(|_elapsed| Err(NoAnswer::Failed(format!("no answer within {} s", patience.as_secs()))))
}

async fn run(client: &Client, speaker: &Speaker, question: &[&str]) -> Result<Value, NoAnswer> {
    let mut command = vec!["ferrolb"];
    command.extend(question);
    command.extend(["--output", "json"]);
    if let Some(socket) = &speaker.socket {
        command.extend(["--socket", socket]);
    }
    let pods: Api<Pod> = Api::namespaced(client.clone(), &speaker.namespace);
    let params = AttachParams {
        container: Some(speaker.container.clone()),
        max_stdout_buf_size: Some(BUFFER),
        ..AttachParams::default()
    };
    let failed = |error: kube::Error| NoAnswer::Failed(refusal(&error));
    let mut process = pods.exec(&speaker.pod, command, &params).await.map_err(failed)?;
    let status = process.take_status();
    let (stdout, stderr) = (process.stdout(), process.stderr());
    // Both at once: what nobody reads keeps the other waiting.
    let outputs = pin!(join(all(stdout, LONGEST_ANSWER), all(stderr, LONGEST_COMPLAINT)));
    let ended = pin!(async {
        match status {
            Some(status) => status.await,
            None => None,
        }
    });
    // Of a connection that breaks, kube does not end the outputs.
    let ((answer, complaint), status) = match select(outputs, ended).await {
        Either::Left((outputs, ended)) => (outputs, ended.await),
        Either::Right((Some(status), outputs)) => (outputs.await, Some(status)),
        Either::Right((None, _)) => ((Vec::new(), Vec::new()), None),
    };
    let Some(status) = status else {
        let why = process.join().await.err().map(|error| format!(": {}", chain(&error))).unwrap_or_default();
        return Err(NoAnswer::Failed(format!("the connection ended before the answer{why}")));
    };
    judge(&status, &answer, &complaint)
}

/// Why a connection was not made, with the API server's own words where it has any.
fn refusal(error: &kube::Error) -> String {
    let (code, said) = if let kube::Error::Api(status) = error {
        (status.code, status.message.trim())
    } else if let kube::Error::UpgradeConnection(kube::client::UpgradeConnectionError::ProtocolSwitch(code)) = error {
        (code.as_u16(), "")
    } else {
        return told("exec in its pod", error);
    };
    let sentence = match code {
        401 | 403 => "may not exec in its pod; the rights to get and create pods/exec are needed".to_owned(),
        404 => "its pod or node is gone".to_owned(),
        500..=599 => format!("the API server does not reach its kubelet ({code})"),
        _ => format!("the API server refuses to exec in its pod ({code})"),
    };
    if said.is_empty() { sentence } else { format!("{sentence}: {said}") }
}

/// Reads to the end or the limit; what broke is known from the status.
async fn all(stream: Option<impl AsyncRead + Unpin>, limit: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        let mut bounded = stream.take(limit);
        drop(bounded.read_to_end(&mut bytes).await);
        // The rest must not block what comes beside it.
        let mut rest = bounded.into_inner();
        drop(tokio::io::copy(&mut rest, &mut tokio::io::sink()).await);
    }
    bytes
}

fn judge(status: &Status, answer: &[u8], complaint: &[u8]) -> Result<Value, NoAnswer> {
    let complaint = String::from_utf8_lossy(complaint);
    let complaint = complaint.trim().strip_prefix("ferrolb: ").unwrap_or(complaint.trim());
    if status.status.as_deref() != Some("Success") {
        let causes = status.details.iter().flat_map(|details| details.causes.iter().flatten());
        let mut codes = causes.filter(|cause| cause.reason.as_deref() == Some("ExitCode"));
        let refused = codes.any(|cause| cause.message.as_deref() == Some(BAD_INPUT));
        let sentence = match (complaint, status.message.as_deref()) {
            ("", Some(message)) => message.to_owned(),
            ("", None) => "the command failed without a word".to_owned(),
            (complaint, _) => complaint.to_owned(),
        };
        return Err(if refused { NoAnswer::Refused(sentence) } else { NoAnswer::Failed(sentence) });
    }
    let not_understood = |error: serde_json::Error| NoAnswer::Failed(format!("its answer is not understood: {error}"));
    serde_json::from_slice(answer).map_err(not_understood)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ended(status: Value, answer: &str, complaint: &str) -> Result<Value, NoAnswer> {
        let status = serde_json::from_value(status).unwrap();
        judge(&status, answer.as_bytes(), complaint.as_bytes())
    }

    fn exit(code: &str) -> Value {
        json!({
            "status": "Failure", "reason": "NonZeroExitCode", "message": "command terminated with non-zero exit code",
            "details": {"causes": [{"reason": "ExitCode", "message": code}]},
        })
    }

    #[test]
    fn an_answer_counts_when_the_command_succeeded() {
        assert_eq!(ended(json!({"status": "Success"}), "{\"a\":1}", ""), Ok(json!({"a": 1})));
        let cut = ended(json!({"status": "Success"}), "{\"a\":", "").unwrap_err();
        assert!(cut.sentence().starts_with("its answer is not understood"), "{cut:?}");
    }

    #[test]
    fn a_command_that_failed_says_why_in_its_own_words() {
        let unknown = ended(exit("2"), "", "ferrolb: there is no service default/none\n");
        assert_eq!(unknown, Err(NoAnswer::Refused("there is no service default/none".to_owned())));
        let failed = ended(exit("1"), "", "ferrolb: no speaker listens\n");
        assert_eq!(failed, Err(NoAnswer::Failed("no speaker listens".to_owned())));
        let silent = ended(exit("137"), "", "");
        assert_eq!(silent, Err(NoAnswer::Failed("command terminated with non-zero exit code".to_owned())));
    }
}
