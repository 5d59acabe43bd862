//! `status`, `members` and `explain`: asks the speaker of a node through its admin socket.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use ferrolb_speaker::admin::{Answer, Question};
use ferrolb_speaker::plan::Explanation;
use serde_json::Value;

use crate::output::{Failure, Printer, table};

/// A speaker that has not answered by then does not answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Asks one question.
pub(crate) fn ask(socket: &Path, question: &Question) -> Result<Value, Failure> {
    let failed = |error: std::io::Error| {
        let path = socket.display();
        let is = |kinds: &[ErrorKind]| kinds.contains(&error.kind());
        Failure::Failed(if is(&[ErrorKind::NotFound, ErrorKind::ConnectionRefused]) {
            format!("no speaker listens on {path}; is it running here? say with --socket where it listens")
        } else if is(&[ErrorKind::PermissionDenied]) {
            format!("{path} may only be used by the speaker's user; try as root")
        } else if is(&[ErrorKind::WouldBlock, ErrorKind::TimedOut]) {
            format!("the speaker at {path} does not answer")
        } else {
            format!("{path}: {error}")
        })
    };
    let mut stream = UnixStream::connect(socket).map_err(failed)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN)).map_err(failed)?;
    let text = serde_json::to_string(question).map_err(|error| Failure::Failed(error.to_string()))?;
    stream.write_all((text + "\n").as_bytes()).map_err(failed)?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).map_err(failed)?;
    match serde_json::from_str(&line) {
        Ok(Answer::Ok(value)) => Ok(value),
        Ok(Answer::Error(message)) => Err(Failure::BadInput(message)),
        Err(error) => Err(Failure::Failed(format!("the speaker's answer is not understood: {error}"))),
    }
}

/// Text of a field, for a cell.
pub(crate) fn cell(value: &Value, field: &str) -> String {
    match value.get(field) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

pub(crate) fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

pub(crate) fn flag(value: &Value, field: &str) -> bool {
    value.get(field).and_then(Value::as_bool).unwrap_or(false)
}

/// How the speaker is and what it announces.
///
/// # Errors
/// It does not answer.
pub fn status(socket: &Path, printer: Printer) -> Result<(), Failure> {
    let status = ask(socket, &Question::Status)?;
    printer.print(&status, |printer| {
        let ready = flag(&status, "ready");
        let state = printer.mark(ready, if ready { "ready" } else { "not ready" });
        let mut text = format!("{}: ferrolb-speaker {}, {state}", cell(&status, "node"), cell(&status, "version"));
        if flag(&status, "configStale") {
            text = text + ", " + &printer.mark(false, "the newest configuration is not in force");
        }
        text.push('\n');
        for problem in list(&status, "problems") {
            let object = format!("{} {}/{}", cell(problem, "kind"), cell(problem, "namespace"), cell(problem, "name"));
            text = text + "  " + &[object, cell(problem, "field"), cell(problem, "message")].join(": ") + "\n";
        }
        text + "\n"
            + &services(&status, printer)
            + "\n"
            + &members_table(list(&status, "members"))
            + "\n"
            + &interfaces(&status, printer)
    })
}

/// The reason of a verdict, without the word that it begins with.
pub(crate) fn sentence(verdict: &Value) -> String {
    let reason = cell(verdict, "reason");
    reason.split_once(": ").map_or(reason.clone(), |(_, sentence)| sentence.to_owned())
}

fn services(status: &Value, printer: Printer) -> String {
    let row = |service: &Value| {
        let here = flag(service, "announce");
        let here = printer.mark(here, if here { "here" } else { "-" });
        let cells = ["service", "address", "owner"].map(|field| cell(service, field));
        let why = sentence(service);
        let [service, address, owner] = cells;
        vec![service, address, owner, here, why]
    };
    let rows: Vec<_> = list(status, "services").iter().map(row).collect();
    if rows.is_empty() {
        return "No service has an address yet.\n".to_owned();
    }
    table(&["SERVICE", "ADDRESS", "OWNER", "ANNOUNCED", "WHY"], &rows)
}

/// What [`interface_cells`] are.
pub(crate) const INTERFACE_HEADINGS: [&str; 4] = ["INTERFACE", "MAC", "ANNOUNCES", "WHY NOT"];

pub(crate) fn interface_cells(interface: &Value, printer: Printer) -> Vec<String> {
    let announces = flag(interface, "announces");
    let mark = printer.mark(announces, if announces { "yes" } else { "no" });
    vec![cell(interface, "name"), cell(interface, "mac"), mark, cell(interface, "reason")]
}

pub(crate) fn interfaces(status: &Value, printer: Printer) -> String {
    let rows: Vec<_> = list(status, "interfaces").iter().map(|interface| interface_cells(interface, printer)).collect();
    table(&INTERFACE_HEADINGS, &rows)
}

/// Texts of a field that is a list, for a cell.
pub(crate) fn texts(value: &Value, field: &str) -> String {
    let texts: Vec<&str> = list(value, field).iter().filter_map(Value::as_str).collect();
    if texts.is_empty() { "-".to_owned() } else { texts.join(",") }
}

/// What [`member_cells`] are.
pub(crate) const MEMBER_HEADINGS: [&str; 7] =
    ["MEMBER", "STATE", "ADDRESS", "STARTED", "VERSION", "INTERFACES", "OWNS"];

/// A member, under the name that it is to be shown with.
pub(crate) fn member_cells(name: String, member: &Value) -> Vec<String> {
    let state = match (flag(member, "draining"), flag(member, "flapping")) {
        (true, _) => "draining",
        (false, true) => "flapping",
        (false, false) => "alive",
    };
    let [address, started, version, owns] = ["address", "started", "version", "owns"].map(|field| cell(member, field));
    vec![name, state.to_owned(), address, started, version, texts(member, "interfaces"), owns]
}

fn members_table(members: &[Value]) -> String {
    let row = |member: &Value| {
        let name = cell(member, "name") + if flag(member, "me") { " (here)" } else { "" };
        member_cells(name, member)
    };
    let rows: Vec<_> = members.iter().map(row).collect();
    table(&MEMBER_HEADINGS, &rows)
}

/// Who is alive.
///
/// # Errors
/// The speaker does not answer.
pub fn members(socket: &Path, printer: Printer) -> Result<(), Failure> {
    let members = ask(socket, &Question::Members)?;
    printer.print(&members, |_| members_table(members.as_array().map(Vec::as_slice).unwrap_or_default()))
}

/// Where a Service is announced and why.
///
/// # Errors
/// The speaker does not answer, or knows no such Service.
pub fn explain(socket: &Path, service: &str, printer: Printer) -> Result<(), Failure> {
    let answer = ask(socket, &Question::Explain { service: service.to_owned() })?;
    let told: Explanation = serde_json::from_value(answer).map_err(|error| Failure::Failed(error.to_string()))?;
    printer.print(&told, |printer| story(&told, printer))
}

/// The story of a Service for people.
pub(crate) fn story(story: &Explanation, printer: Printer) -> String {
    let addresses: Vec<String> = story.addresses.iter().map(ToString::to_string).collect();
    let or_none = |text: String| if text.is_empty() { "none".to_owned() } else { text };
    let (usable, all) = story.endpoints;
    let mut text = format!(
        "{}: {}\n\naddress         {}\npool            {}\nL2Advertisement {}\nendpoints       {usable} of {all} can serve\n",
        story.service,
        printer.mark(story.owner.is_some(), &story.summary),
        or_none(addresses.join(", ")),
        or_none(story.pool.clone().unwrap_or_default()),
        or_none(story.advertisements.join(", ")),
    );
    if !story.nodes.is_empty() {
        let row = |node: &ferrolb_speaker::plan::NodeVerdict| {
            let may = printer.mark(node.eligible, if node.eligible { "yes" } else { "no" });
            vec![node.node.clone(), may, node.reason.clone()]
        };
        let rows: Vec<_> = story.nodes.iter().map(row).collect();
        text = text + "\n" + &table(&["NODE", "MAY ANNOUNCE", "WHY"], &rows);
    }
    text
}
