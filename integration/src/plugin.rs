//! What `kubectl ferrolb` has to show of an installed cluster with kubelets: for every tier that has one.
//!
//! Whoever calls it says how the program is run there; here is only what must come out.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::process::Output;

use serde_json::Value;

use crate::Error;

/// What is installed.
#[derive(Debug, Clone)]
pub struct Installed {
    /// The nodes, each with a speaker that is well.
    pub nodes: Vec<String>,
    /// A Service that one of them announces, as `namespace/name`.
    pub service: String,
    /// Its address.
    pub address: IpAddr,
}

/// Runs `ferrolb` with arguments, with `--kubeconfig` and what else it takes to reach the API server added by `run`, and
/// checks that all speakers answer and agree: every node is ready and sees all others, exactly one announces the
/// address, and it is the one that `explain` names. Returns that node.
///
/// # Errors
/// [`Error::Refused`] with the first thing that is not so; [`Error::Protocol`] when what is printed is no JSON; those of
/// `run`.
pub fn check(installed: &Installed, mut run: impl FnMut(&[&str]) -> Result<Output, Error>) -> Result<String, Error> {
    let nodes: BTreeSet<&str> = installed.nodes.iter().map(String::as_str).collect();
    let mut ask = |question: &[&str]| -> Result<Vec<Value>, Error> {
        let arguments: Vec<&str> = question.iter().copied().chain(["--output", "json"]).collect();
        let output = run(&arguments)?;
        let answers: Vec<Value> = answers(question, &output)?;
        let told: BTreeSet<&str> = answers.iter().filter_map(|line| line.get("node")?.as_str()).collect();
        demand(told == nodes, || format!("{question:?}: {told:?} answered, not {nodes:?}"))?;
        Ok(answers.iter().filter_map(|line| line.get("answer").cloned()).collect())
    };
    let address = installed.address.to_string();
    let mut announcing = Vec::new();
    for status in ask(&["status"])? {
        let node = text(&status, "node");
        demand(status.get("ready") == Some(&Value::Bool(true)), || format!("{node} is not ready"))?;
        let ours = |verdict: &Value| {
            text(verdict, "service") == installed.service
                && text(verdict, "address") == address
                && verdict.get("announce") == Some(&Value::Bool(true))
        };
        if list(&status, "services").iter().any(ours) {
            announcing.push(node);
        }
    }
    demand(announcing.len() == 1, || format!("{address} is announced by {announcing:?}"))?;
    let owner = announcing.concat();
    for members in ask(&["members"])? {
        let seen: BTreeSet<String> =
            members.as_array().into_iter().flatten().map(|member| text(member, "name")).collect();
        let all = seen.iter().map(String::as_str).eq(nodes.iter().copied());
        demand(all, || format!("a speaker sees {seen:?}"))?;
    }
    for story in ask(&["explain", &installed.service])? {
        let named = text(&story, "owner");
        demand(named == owner, || format!("explain names {named:?}, and {owner} announces"))?;
    }
    let holders = ask(&["l2"])?.iter().filter(|answer| holds(answer, &address)).count();
    demand(holders == 1, || format!("l2: {holders} nodes hold {address}"))?;
    Ok(owner)
}

fn answers(question: &[&str], output: &Output) -> Result<Vec<Value>, Error> {
    demand(output.status.success(), || {
        format!("{question:?}: {}; {}", output.status, String::from_utf8_lossy(&output.stderr).trim())
    })?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn demand(so: bool, reason: impl FnOnce() -> String) -> Result<(), Error> {
    if so { Ok(()) } else { Err(Error::Refused { reason: reason() }) }
}

fn text(value: &Value, field: &str) -> String {
    value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn holds(answer: &Value, address: &str) -> bool {
    list(answer, "addresses").iter().any(|held| text(held, "address") == address)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use serde_json::json;

    use super::*;

    fn installed() -> Installed {
        let nodes = ["a", "b"].map(str::to_owned).to_vec();
        Installed { nodes, service: "default/web".to_owned(), address: "192.0.2.1".parse().unwrap() }
    }

    /// What a cluster prints in which `announcing` announce the Service and `owner` is who `explain` names.
    fn printed(question: &[&str], announcing: &[&str], owner: &str) -> Output {
        let answer = |node: &str| match question[0] {
            "status" => json!({"node": node, "ready": true, "services": [
                {"service": "default/web", "address": "192.0.2.1", "announce": announcing.contains(&node)},
            ]}),
            "members" => json!([{"name": "a"}, {"name": "b"}]),
            "explain" => json!({"owner": owner}),
            "l2" if announcing.contains(&node) => json!({"addresses": [{"address": "192.0.2.1"}]}),
            _ => json!({"addresses": []}),
        };
        let lines: Vec<Value> = ["a", "b"].iter().map(|node| json!({"node": node, "answer": answer(node)})).collect();
        Output { status: ExitStatus::from_raw(0), stdout: Value::from(lines).to_string().into_bytes(), stderr: vec![] }
    }

    #[test]
    fn speakers_that_agree_pass_and_each_way_to_differ_is_named() {
        let run =
            |announcing: &[&str], owner: &str| check(&installed(), |question| Ok(printed(question, announcing, owner)));
        assert_eq!(run(&["b"], "b").unwrap(), "b");
        assert_eq!(run(&["a", "b"], "b").unwrap_err().to_string(), r#"192.0.2.1 is announced by ["a", "b"]"#);
        assert_eq!(run(&["b"], "a").unwrap_err().to_string(), r#"explain names "a", and b announces"#);
    }
}
