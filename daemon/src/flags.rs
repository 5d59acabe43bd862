//! Reads the command line as Go's `flag` package would: manifests made for MetalLB's binaries say `-port=7472`, and
//! patches append to `args` what is there already.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use clap::Parser;

/// The process's command line as `P`. Flags are as in Go: of one that is repeated the last counts, and one dash is as
/// good as two (see [`long`]). Ends the process with help, version or what is wrong.
pub fn parse<P: Parser>() -> P {
    try_parse(std::env::args_os()).unwrap_or_else(|error| error.exit())
}

/// The same of other words, the first of which names the program.
///
/// # Errors
/// They are not what `P` expects, or ask for help or the version.
pub fn try_parse<P: Parser>(words: impl IntoIterator<Item = impl Into<OsString>>) -> Result<P, clap::Error> {
    let mut command = P::command().args_override_self(true);
    let matches = command.try_get_matches_from_mut(long(words.into_iter().map(Into::into)))?;
    P::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// Gives every flag of more than one letter its second dash: `-lb-class` becomes `--lb-class`, `-port=7472` becomes
/// `--port=7472`. What has one letter (`-h`), what begins with a digit, and what comes after `--` stay as they are.
pub fn long(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut words = words.into_iter();
    // The name of the program is no flag.
    let mut all: Vec<OsString> = words.next().into_iter().collect();
    let mut flags = true;
    for word in words {
        flags = flags && word != "--";
        let dash = OsStr::new(if flags && is_long(&word) { "-" } else { "" });
        all.push([dash, &word].into_iter().collect());
    }
    all
}

/// Whether it is one dash and a name of more than one letter.
fn is_long(word: &OsStr) -> bool {
    let Some(rest) = word.as_bytes().strip_prefix(b"-") else { return false };
    let name = rest.split(|byte| *byte == b'=').next().unwrap_or_default();
    name.len() > 1 && name.first().is_some_and(u8::is_ascii_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Parser)]
    #[command(version = "1")]
    struct Cli {
        #[arg(long, default_value_t = 9120)]
        port: u16,
        #[arg(long, default_value = "")]
        lb_class: String,
        #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true")]
        rotate: bool,
        #[arg(long)]
        once: bool,
    }

    fn cli(words: &[&str]) -> Cli {
        try_parse(std::iter::once(&"test").chain(words)).unwrap()
    }

    #[test]
    fn one_dash_is_as_good_as_two() {
        for words in [
            &["--port=7472", "--lb-class", "foo", "--rotate"][..],
            &["-port=7472", "-lb-class", "foo", "-rotate"],
            &["-port", "7472", "-lb-class=foo", "-rotate=true"],
            &["-port", "7472", "--lb-class=foo", "--rotate=true", "-once"],
        ] {
            let cli = cli(words);
            assert_eq!((cli.port, cli.lb_class.as_str(), cli.rotate), (7472, "foo", true), "{words:?}");
        }
    }

    #[test]
    fn of_a_flag_that_is_repeated_the_last_counts() {
        let cli = cli(&[
            "--port=1",
            "-lb-class=a",
            "-rotate",
            "--once",
            "-port",
            "2",
            "--lb-class=b",
            "-rotate=false",
            "-once",
        ]);
        assert_eq!((cli.port, cli.lb_class.as_str(), cli.rotate, cli.once), (2, "b", false, true));
    }

    #[test]
    fn what_is_no_long_flag_stays_as_it_is() {
        let words = ["-test", "-h", "-V", "-1", "-", "-=", "value", "--port=1", "-p=1", "--", "-port"];
        assert_eq!(long(words.map(OsString::from)), words);
        let help = try_parse::<Cli>(["test", "-h"]).unwrap_err();
        assert_eq!(help.kind(), clap::error::ErrorKind::DisplayHelp);
    }

    #[test]
    fn a_flag_that_is_not_known_is_named_as_a_whole() {
        let error = try_parse::<Cli>(["test", "-prot=1"]).unwrap_err();
        assert_eq!(error.kind(), clap::error::ErrorKind::UnknownArgument);
        assert!(error.to_string().contains("'--prot'"), "{error}");
    }
}
