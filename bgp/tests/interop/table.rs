//! The table in `docs/interop.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::cells::FEATURES;
use crate::daemon::Kind;

/// What became of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// It was seen to work.
    Works,
    /// It cannot be tried.
    Cannot(&'static str),
}

/// All of the page.
pub(crate) fn write(marks: &BTreeMap<(&'static str, Kind), Mark>) -> String {
    let mut text = String::from(
        "# Interoperability\n\n\
         What was seen to work between ferrolb's BGP and the routing daemons of Debian 12: FRR 8.4.4, BIRD 2.0.12, GoBGP 3.10,\n\
         ExaBGP 4.2.21 and OpenBGPD 7.7. Each cell is a session of its own with the real daemon, in two network namespaces with a\n\
         cable between them. `make test` tries all of them and compares the result with this page, which\n\
         `BLESS=1 cargo test -p ferrolb-bgp --test interop` writes.\n\n",
    );
    text.push_str("| Feature |");
    for kind in Kind::ALL {
        write!(text, " {} |", kind.name()).expect("text");
    }
    text.push_str("\n| --- |");
    text.push_str(&" :---: |".repeat(Kind::ALL.len()));
    text.push('\n');
    let mut notes: Vec<&'static str> = Vec::new();
    for feature in FEATURES {
        write!(text, "| {} |", feature.what).expect("text");
        for kind in Kind::ALL {
            let cell = match marks.get(&(feature.key, kind)) {
                Some(Mark::Works) => "yes".to_owned(),
                Some(Mark::Cannot(why)) => {
                    let number = notes.iter().position(|note| note == why).unwrap_or_else(|| {
                        notes.push(why);
                        notes.len() - 1
                    });
                    format!("({})", number + 1)
                }
                None => "?".to_owned(),
            };
            write!(text, " {cell} |").expect("text");
        }
        text.push('\n');
    }
    text.push_str("\nWhy a cell cannot be:\n\n");
    for (number, note) in notes.iter().enumerate() {
        writeln!(text, "{}. {note}.", number + 1).expect("text");
    }
    text
}

/// Fails when the page says something else, or writes it.
pub(crate) fn compare(text: &str) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/interop.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&page, text).expect("the page can be written");
        return;
    }
    let there = std::fs::read_to_string(&page).unwrap_or_default();
    assert!(there == text, "docs/interop.md is not what was seen; BLESS=1 writes it");
}
