//! What is printed and how a command ends: data on stdout, complaints on stderr; 0 done, 1 failed, 2 bad input.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::ErrorKind;
use ferrolb_config::Problem;
use serde::Serialize;
use serde_json::Value;

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
    /// For both.
    Yaml,
}

/// What `--output` says: a format, or the file that `support-bundle` writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output(pub OsString);

/// Takes any text and knows the formats, for help and completions.
#[derive(Debug, Clone, Copy)]
pub struct OutputParser;

// === impl Output ===

impl Output {
    /// The format.
    ///
    /// # Errors
    /// It is none.
    pub fn format(&self, command: &mut clap::Command) -> Result<Format, clap::Error> {
        let text = self.0.to_string_lossy();
        Format::from_str(&text, false).map_err(|_unknown| {
            let known = Format::value_variants().iter().filter_map(ValueEnum::to_possible_value);
            let known = known.map(|value| value.get_name().to_owned()).collect::<Vec<_>>().join(", ");
            let message = format!("invalid value '{text}' for '--output <FORMAT>'\n  [possible values: {known}]");
            command.error(ErrorKind::InvalidValue, message)
        })
    }
}

impl TypedValueParser for OutputParser {
    type Value = Output;

    fn parse_ref(
        &self,
        _command: &clap::Command,
        _argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Output, clap::Error> {
        Ok(Output(value.to_owned()))
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(Format::value_variants().iter().filter_map(ValueEnum::to_possible_value)))
    }
}

/// Why a command did not do what was asked.
#[derive(Debug)]
pub enum Failure {
    /// What was given is wrong: exit code 2.
    BadInput(String),
    /// The configuration is refused: exit code 2.
    Refused(Vec<Problem>),
    /// Something else went wrong: exit code 1.
    Failed(String),
}

impl Failure {
    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::BadInput(_) | Self::Refused(_) => 2,
            Self::Failed(_) => 1,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadInput(message) | Self::Failed(message) => f.write_str(message),
            Self::Refused(problems) => {
                write!(f, "the configuration is refused")?;
                problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Failed(format!("cannot print: {error}"))
    }
}

/// Prints to stdout.
#[derive(Debug, Clone, Copy)]
pub struct Printer {
    /// How.
    pub format: Format,
    colours: bool,
}

impl Printer {
    /// A printer that uses colours on a terminal only.
    pub fn new(format: Format) -> Self {
        Self { format, colours: io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() }
    }

    /// Prints data: `table` draws it for people.
    ///
    /// # Errors
    /// Stdout is gone.
    pub fn print<T: Serialize>(self, data: &T, table: impl FnOnce(Self) -> String) -> Result<(), Failure> {
        let text = match self.format {
            Format::Table => table(self),
            Format::Json => serde_json::to_string_pretty(data).map_err(|e| Failure::Failed(e.to_string()))? + "\n",
            Format::Yaml => serde_yaml::to_string(data).map_err(|e| Failure::Failed(e.to_string()))?,
        };
        io::stdout().lock().write_all(text.as_bytes())?;
        Ok(())
    }

    /// Prints objects as they are applied: a JSON array, or YAML documents for people and programs alike.
    ///
    /// # Errors
    /// Stdout is gone.
    pub fn print_objects(self, objects: &[Value]) -> Result<(), Failure> {
        let text = match self.format {
            Format::Json => return self.print(&objects, |_| String::new()),
            Format::Table | Format::Yaml => {
                let documents = objects.iter().map(serde_yaml::to_string).collect::<Result<Vec<_>, _>>();
                documents.map_err(|e| Failure::Failed(e.to_string()))?.join("---\n")
            }
        };
        io::stdout().lock().write_all(text.as_bytes())?;
        Ok(())
    }

    /// `text` in bold green or red, on a terminal.
    pub fn mark(self, good: bool, text: &str) -> String {
        if self.colours { format!("\u{1b}[1;{}m{text}\u{1b}[0m", if good { 32 } else { 31 }) } else { text.to_owned() }
    }
}

/// Says something beside the data, on stderr; the exit code does not change by it.
pub(crate) fn remark(text: fmt::Arguments<'_>) {
    // Nobody is left to tell when stderr is gone.
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// Columns under headings, as wide as their widest cell, in the manner of kubectl.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| visible(cell)).chain(headings.get(column).map(|heading| heading.len())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(&widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(width + 3 - visible(cell).min(*width)));
        }
        line.trim_end().to_owned() + "\n"
    };
    let heading = line(headings.to_vec());
    rows.iter().fold(heading, |text, row| text + &line(row.iter().map(String::as_str).collect()))
}

/// How wide a text is on the screen: colours take no room.
fn visible(text: &str) -> usize {
    let mut width = 0;
    let mut escape = false;
    for c in text.chars() {
        match (escape, c) {
            (false, '\u{1b}') => escape = true,
            (true, 'm') => escape = false,
            (true, _) => {}
            (false, _) => width += 1,
        }
    }
    width
}
