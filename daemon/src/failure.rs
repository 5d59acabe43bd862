//! The last words of a process that cannot go on.

use std::error::Error;
use std::io::Write;

/// An error and its causes as one sentence.
pub fn sentence(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        // A transparent error repeats its cause.
        if !text.ends_with(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}

/// Says on stderr why `name` ends, with one more line for each detail.
pub fn complain(name: &str, error: &dyn Error, details: impl IntoIterator<Item = String>) {
    let mut text = format!("{name}: {}", sentence(error));
    for detail in details {
        text.push_str("\n  ");
        text.push_str(&detail);
    }
    // Nobody is left to tell when stderr is gone.
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}

/// Says on stderr what is worth knowing although all went well, a line each.
pub fn remark(remarks: impl IntoIterator<Item = String>) {
    let mut stderr = std::io::stderr().lock();
    for remark in remarks {
        drop(writeln!(stderr, "{remark}"));
    }
}
