//! Removes secrets from text that nobody can parse: logs, messages, arguments.
//!
//! Where in doubt, more is removed than has to be: a log with a hole is of use, a password in a stranger's mailbox is a
//! harm.

use regex::{Captures, Regex};

use super::words::{is_phrase, is_sensitive};

/// What stands where a secret was.
pub(super) const REMOVED: &str = "[removed]";

/// A name, for what comes before `=`, `:` or a value in quotes.
const NAME: &str = r"(?P<name>[A-Za-z][\w.-]*)";

/// The patterns, compiled once.
#[derive(Debug)]
pub(super) struct Patterns {
    /// What goes as a whole, whatever is around it.
    shapes: Vec<Regex>,
    /// A name, what is between, and a value, where the name decides.
    named: Vec<Regex>,
    /// `name: anything`, of which the name decides how much goes.
    colon: Regex,
    /// `://user:password@`.
    login: Regex,
    /// Digests are long numbers, too.
    number: Regex,
}

// === impl Patterns ===

impl Patterns {
    pub(super) fn new() -> Result<Self, regex::Error> {
        let compile =
            |patterns: &[&str]| patterns.iter().map(|pattern| Regex::new(pattern)).collect::<Result<Vec<_>, _>>();
        Ok(Self {
            shapes: compile(&[
                // PEM (RFC 7468), with line breaks or their escapes; what was cut off goes to the end.
                r"(?s)-----BEGIN [A-Z0-9 ]*(?:PRIVATE|SECRET) ?[A-Z0-9 ]*-----.*?(?:-----END [A-Z0-9 ]*-----|\z)",
                // JSON Web Tokens (RFC 7519), of which service accounts' are some; also when cut off.
                r"eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,2}",
                r"(?i-u:bearer|basic)\s+[A-Za-z0-9._~+/-]{12,}=*",
                // Keys in base64 (RFC 4648) are padded, since their lengths are powers of two.
                r"[A-Za-z0-9+/]{40,}={1,2}|[A-Za-z0-9+/]{20,}==|[A-Za-z0-9_-]{43,}={1,2}",
                // Bootstrap tokens, and those of well-known makers.
                r"\b[a-z0-9]{6}\.[a-z0-9]{16}\b",
                r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
                r"\b(?:ghp|gho|ghs|ghu|github_pat|glpat|xox[abp])[_-][A-Za-z0-9_-]{10,}",
            ])?,
            named: compile(&[
                // "name": "value", name="value" and the same within a quoted text.
                &format!(r#"{NAME}(?P<mid>\\*["']?\s*[:=]\s*")(?:[^"\\]|\\.)*(?P<end>"|\z)"#),
                &format!(r#"{NAME}(?P<mid>\\*["']?\s*[:=]\s*\\+")[^"]*?(?P<end>\\+"|\z)"#),
                &format!(r"{NAME}(?P<mid>\\*[']?\s*[:=]\s*')[^']*(?P<end>'|\z)"),
                &format!(r#"{NAME}(?P<mid>=)[^\s,;&"'}})\]]+(?P<end>)"#),
                // --name value
                &format!(r#"--?{NAME}(?P<mid>\s+)[^\s"',-][^\s"',]*(?P<end>)"#),
            ])?,
            colon: Regex::new(&format!(r#"{NAME}(?P<mid>\s*:[ \t]+)(?P<value>[^\n"'\[]+)"#))?,
            login: Regex::new(r#"(?P<before>://[^\s/:@"']*:)[^\s/@"']+@"#)?,
            number: Regex::new(r"(?P<before>sha256:|sha512:|://)?\b[0-9a-fA-F]{48,}\b")?,
        })
    }

    /// The text without what looks like a secret.
    pub(super) fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for shape in &self.shapes {
            text = shape.replace_all(&text, REMOVED).into_owned();
        }
        for named in &self.named {
            text = named.replace_all(&text, by_name).into_owned();
        }
        text = self.colon.replace_all(&text, after_colon).into_owned();
        text = self.login.replace_all(&text, |found: &Captures<'_>| part(found, "before") + REMOVED + "@").into_owned();
        let number = |found: &Captures<'_>| match found.name("before") {
            Some(_) => part(found, ""),
            None => REMOVED.to_owned(),
        };
        self.number.replace_all(&text, number).into_owned()
    }
}

/// A group's text; the whole of it where no group was named.
fn part(found: &Captures<'_>, name: &str) -> String {
    let group = if name.is_empty() { found.get(0) } else { found.name(name) };
    group.map(|group| group.as_str().to_owned()).unwrap_or_default()
}

fn by_name(found: &Captures<'_>) -> String {
    let all = part(found, "");
    if !is_sensitive(&part(found, "name")) || all.contains(REMOVED) {
        return all;
    }
    // What stands before the name, such as the dashes of a flag, stays.
    let dashes: String = all.chars().take_while(|c| *c == '-').collect();
    dashes + &part(found, "name") + &part(found, "mid") + REMOVED + &part(found, "end")
}

fn after_colon(found: &Captures<'_>) -> String {
    let (name, value) = (part(found, "name"), part(found, "value"));
    if !is_sensitive(&name) || value.starts_with(REMOVED) {
        return part(found, "");
    }
    let kept = if is_phrase(&name) {
        ""
    } else {
        value.split_once([' ', ',', ';', '}']).map_or("", |(first, _)| value.get(first.len()..).unwrap_or_default())
    };
    name + &part(found, "mid") + REMOVED + kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(text: &str) -> String {
        Patterns::new().unwrap().clean(text)
    }

    #[test]
    fn secrets_go_wherever_they_stand_in_a_line() {
        for text in [
            "level=info msg=start password=hunter2 peer=a",
            r#"{"password":"hunter2","peer":"a"}"#,
            r#"{"msg":"{\"password\":\"hunter2\"}"}"#,
            "password: hunter2",
            "password: correct horse hunter2, really",
            "spec.password: 'hunter2'",
            "Authorization: Bearer hunter2hunter2",
            "authorization=hunter2",
            "GET / with bearer hunter2hunter2hunter2",
            "run with --password hunter2 --port 1",
            "run with --bgp-password=hunter2",
            "dial https://admin:hunter2@example.org/",
            "token: hunter2 for node",
            r#"DB_PASSWORD="a\"hunter2""#,
            "-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----",
            r"-----BEGIN PRIVATE KEY-----\nhunter2",
            "eyJhbGciOiJSUzI1NiIsImhunter2.hunter2.hunter2",
            "key aHVudGVyMmh1bnRlcjJodW50ZXIyhunter2hunter2=",
            "password=\"hunter2",
        ] {
            let cleaned = clean(text);
            assert!(!cleaned.contains("hunter2") && cleaned.contains(REMOVED), "{text}: {cleaned}");
        }
        let number = "0123456789abcdef".repeat(4);
        assert_eq!(clean(&format!("key {number}")), "key [removed]");
        assert_eq!(clean("token abcdef.0123456789abcdef"), "token [removed]");
    }

    #[test]
    fn what_a_maintainer_needs_stays() {
        let digest = format!("ferrolb@sha256:{}", "0123456789abcdef".repeat(4));
        for text in [
            "2026-11-21T22:00:00.123456Z  INFO ferrolb_speaker: announcing 192.0.2.1 service=default/web epoch=3",
            "BGPPeer lb/p: spec.passwordSecret: there is no Secret lb/pw",
            "passwordSecret: lb/pw",
            "node-1: fd00::1 at 02:00:00:00:00:01 on eth0",
            "--gossip-key-file=/etc/ferrolb/gossip/keys --port 9120",
            "https://192.0.2.1:6443/api",
            digest.as_str(),
            "peer 192.0.2.9: hold time 2 s is below 3 s",
        ] {
            assert_eq!(clean(text), text);
        }
    }
}
