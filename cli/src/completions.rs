//! Completions: scripts for shells, and the words that kubectl asks for (`kubectl_complete-ferrolb`).

use std::ffi::OsString;
use std::io::Write;

use clap::{Arg, Command, ValueHint};
use clap_complete::{Generator, Shell};

use crate::output::Failure;

/// The name that kubectl looks for on the PATH when `kubectl ferrolb` is to be completed.
pub const KUBECTL_NAME: &str = "kubectl_complete-ferrolb";
/// The last line of an answer: complete no file names (cobra's ShellCompDirectiveNoFileComp).
const NO_FILES: &str = ":4";
/// The last line of an answer: complete file names where no word fits (cobra's ShellCompDirectiveDefault).
const FILES: &str = ":0";

/// Prints the script that completes `ferrolb` in a shell.
///
/// # Errors
/// Stdout is gone.
pub fn script(shell: Shell, mut command: Command) -> Result<(), Failure> {
    command.set_bin_name("ferrolb");
    command.build();
    let mut text = Vec::new();
    shell.try_generate(&command, &mut text)?;
    std::io::stdout().lock().write_all(&text)?;
    Ok(())
}

/// Prints what may stand in place of the last word, in the form that kubectl takes from `kubectl_complete-ferrolb`.
///
/// # Errors
/// Stdout is gone.
pub fn words(command: Command, arguments: impl Iterator<Item = OsString>) -> Result<(), Failure> {
    let arguments: Vec<String> = arguments.map(|argument| argument.to_string_lossy().into_owned()).collect();
    let (mut lines, directive) = candidates(command, &arguments);
    lines.push(directive.to_owned());
    std::io::stdout().lock().write_all((lines.join("\n") + "\n").as_bytes())?;
    Ok(())
}

/// What fits the last of the words, each with its help behind a tab; and whether file names do, too.
fn candidates(mut command: Command, words: &[String]) -> (Vec<String>, &'static str) {
    command.build();
    let (last, before) = words.split_last().map_or(("", words), |(last, before)| (last.as_str(), before));
    let mut here = &command;
    let mut open: Option<&Arg> = None;
    let mut positionals = 0;
    for word in before {
        if open.take().is_some() {
            continue;
        }
        if word.starts_with('-') {
            open = if word.contains('=') { None } else { flag(here, word) };
        } else if let Some(next) = here.find_subcommand(word) {
            (here, positionals) = (next, 0);
        } else {
            positionals += 1;
        }
    }
    if let Some(argument) = open {
        return values(argument, "", last);
    }
    if let Some((name, value)) = last.split_once('=').filter(|(name, _)| name.starts_with("--")) {
        return flag(here, name)
            .map_or((Vec::new(), NO_FILES), |argument| values(argument, &format!("{name}="), value));
    }
    if last.starts_with('-') {
        let longs = here.get_arguments().filter(|argument| !argument.is_hide_set());
        let line = |argument: &Arg| {
            let word = format!("--{}", argument.get_long()?);
            word.starts_with(last).then(|| described(&word, argument.get_help().map(ToString::to_string)))
        };
        return (longs.filter_map(line).collect(), NO_FILES);
    }
    let mut lines: Vec<String> = Vec::new();
    if positionals == 0 {
        let commands = here.get_subcommands().filter(|command| !command.is_hide_set());
        let fits = commands.filter(|command| command.get_name().starts_with(last));
        lines.extend(fits.map(|command| described(command.get_name(), command.get_about().map(ToString::to_string))));
    }
    match here.get_positionals().nth(positionals) {
        Some(argument) => {
            let (more, directive) = values(argument, "", last);
            lines.extend(more);
            (lines, directive)
        }
        None => (lines, NO_FILES),
    }
}

/// The flag of this name, if it takes a value.
fn flag<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    let named = |argument: &&Arg| match word.strip_prefix("--") {
        Some(long) => argument.get_long() == Some(long),
        None => argument.get_short().is_some_and(|short| word.ends_with(short)),
    };
    command.get_arguments().find(named).filter(|argument| argument.get_action().takes_values())
}

/// The values that an argument may have, or whether they are files.
fn values(argument: &Arg, front: &str, last: &str) -> (Vec<String>, &'static str) {
    let fits = argument.get_possible_values().into_iter().filter(|value| value.get_name().starts_with(last));
    let lines =
        fits.map(|value| described(&format!("{front}{}", value.get_name()), value.get_help().map(ToString::to_string)));
    let files = matches!(argument.get_value_hint(), ValueHint::AnyPath | ValueHint::FilePath | ValueHint::DirPath);
    (lines.collect(), if files { FILES } else { NO_FILES })
}

fn described(word: &str, help: Option<String>) -> String {
    let help = help.unwrap_or_default();
    let line = help.lines().next().unwrap_or_default();
    if line.is_empty() { word.to_owned() } else { format!("{word}\t{line}") }
}

#[cfg(test)]
mod tests {
    use clap::builder::PossibleValuesParser;

    use super::*;

    fn command() -> Command {
        let output = Arg::new("output").long("output").short('o').global(true);
        Command::new("ferrolb")
            .arg(output.value_parser(PossibleValuesParser::new(["table", "json"])))
            .subcommand(Command::new("status").about("How it is").arg(Arg::new("node").long("node")))
            .subcommand(
                Command::new("validate").arg(Arg::new("path").value_parser(clap::value_parser!(std::path::PathBuf))),
            )
            .subcommand(Command::new("secret").hide(true))
    }

    fn asked(words: &[&str]) -> (Vec<String>, &'static str) {
        candidates(command(), &words.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    fn owned(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn commands_flags_and_values_are_known() {
        assert_eq!(asked(&["st"]), (owned(&["status\tHow it is"]), NO_FILES));
        assert_eq!(asked(&[]).0.iter().filter(|word| word.starts_with("secret")).count(), 0);
        assert_eq!(asked(&["status", "--n"]), (owned(&["--node"]), NO_FILES));
        assert_eq!(asked(&["status", "--node", ""]), (owned(&[]), NO_FILES));
        assert_eq!(asked(&["status", "-o", "j"]), (owned(&["json"]), NO_FILES));
        assert_eq!(asked(&["--output", "json", "va"]), (owned(&["validate"]), NO_FILES));
        assert_eq!(asked(&["status", "--output=t"]), (owned(&["--output=table"]), NO_FILES));
    }

    #[test]
    fn paths_are_left_to_the_shell() {
        assert_eq!(asked(&["validate", "mani"]), (owned(&[]), FILES));
        assert_eq!(asked(&["validate", "manifests", ""]), (owned(&[]), NO_FILES));
    }
}
