//! The audit log: who asked the API server for what, and what came of it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::error::Error;

/// One request that the API server answered; a watch that still runs is one, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Who asked, e.g. `system:serviceaccount:ferrolb-system:controller`.
    pub user: String,
    /// The program that asked.
    pub user_agent: String,
    /// The verb as RBAC knows it: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// API group; empty for the core group and for paths that are no resource.
    pub group: String,
    /// Plural of the resource; empty for paths that are no resource.
    pub resource: String,
    /// `status`, `token`, ...; empty for the resource itself.
    pub subresource: String,
    /// Namespace; empty for what is in none and for requests over all of them.
    pub namespace: String,
    /// Name of the object; empty where a request names none (`list`, `watch`, `create`).
    pub name: String,
    /// Path and query.
    pub uri: String,
    /// HTTP status of the answer.
    pub code: u16,
    /// Whether the authorizer allowed it.
    pub allowed: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(rename = "auditID")]
    audit_id: String,
    #[serde(rename = "requestURI", default)]
    request_uri: String,
    verb: String,
    user: User,
    #[serde(default)]
    user_agent: String,
    #[serde(default)]
    object_ref: ObjectRef,
    #[serde(default)]
    response_status: ResponseStatus,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct User {
    #[serde(default)]
    username: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ObjectRef {
    api_group: String,
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ResponseStatus {
    code: u16,
}

/// Reads a log that may be written to at the same time: a last line without its end is left for the next look. A
/// request that is there twice (a watch: when it begins, when it ends) is one entry, where it came first, with what
/// was said last.
pub(super) fn parse(text: &str) -> Result<Vec<AuditEntry>, Error> {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut entries: Vec<AuditEntry> = Vec::new();
    let complete = text.rsplit_once('\n').map_or("", |(complete, _rest)| complete);
    for (index, line) in complete.lines().enumerate() {
        let event: Event = serde_json::from_str(line).map_err(|source| Error::Audit { line: index + 1, source })?;
        let place = *places.entry(event.audit_id.clone()).or_insert(entries.len());
        let entry = AuditEntry::from(event);
        match entries.get_mut(place) {
            Some(earlier) => *earlier = entry,
            None => entries.push(entry),
        }
    }
    Ok(entries)
}

// === impl AuditEntry ===

impl From<Event> for AuditEntry {
    fn from(event: Event) -> Self {
        let decision = event.annotations.get("authorization.k8s.io/decision");
        Self {
            user: event.user.username,
            user_agent: event.user_agent,
            verb: event.verb,
            group: event.object_ref.api_group,
            resource: event.object_ref.resource,
            subresource: event.object_ref.subresource,
            namespace: event.object_ref.namespace,
            name: event.object_ref.name,
            uri: event.request_uri,
            code: event.response_status.code,
            allowed: decision.is_none_or(|decision| decision == "allow"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WATCH: &str = r#"{"auditID":"a","stage":"ResponseStarted","requestURI":"/api/v1/services?watch=1","verb":"watch","user":{"username":"u"},"objectRef":{"resource":"services","apiVersion":"v1"},"responseStatus":{"metadata":{},"code":200},"annotations":{"authorization.k8s.io/decision":"allow"}}"#;
    const DENIED: &str = r#"{"auditID":"b","stage":"ResponseComplete","requestURI":"/apis/metallb.io/v1beta1/namespaces/n/ipaddresspools/p/status","verb":"patch","user":{"username":"u"},"userAgent":"x","objectRef":{"resource":"ipaddresspools","namespace":"n","name":"p","apiGroup":"metallb.io","apiVersion":"v1beta1","subresource":"status"},"responseStatus":{"metadata":{},"status":"Failure","code":403},"annotations":{"authorization.k8s.io/decision":"forbid"}}"#;

    #[test]
    fn a_denied_request_is_told_with_everything_that_a_role_would_name() {
        let entries = parse(&format!("{DENIED}\n")).unwrap();
        let [entry] = entries.as_slice() else { panic!("{entries:?}") };
        assert_eq!(
            (entry.group.as_str(), entry.resource.as_str(), entry.subresource.as_str(), entry.verb.as_str()),
            ("metallb.io", "ipaddresspools", "status", "patch")
        );
        assert_eq!((entry.namespace.as_str(), entry.name.as_str()), ("n", "p"));
        assert_eq!((entry.code, entry.allowed), (403, false));
    }

    #[test]
    fn a_watch_that_ended_is_one_entry_in_its_first_place() {
        let ended = WATCH.replace("ResponseStarted", "ResponseComplete").replace("200", "500");
        let entries = parse(&format!("{WATCH}\n{DENIED}\n{ended}\n")).unwrap();
        let seen: Vec<(&str, u16)> = entries.iter().map(|entry| (entry.verb.as_str(), entry.code)).collect();
        assert_eq!(seen, [("watch", 500), ("patch", 403)]);
    }

    #[test]
    fn a_line_that_is_being_written_waits() {
        let half: String = WATCH.chars().take(30).collect();
        assert_eq!(parse(&format!("{DENIED}\n{half}")).unwrap().len(), 1);
        assert!(parse(&half).unwrap().is_empty());
        assert!(matches!(parse(&format!("{DENIED}\n{half}\n")), Err(Error::Audit { line: 2, .. })));
    }
}
