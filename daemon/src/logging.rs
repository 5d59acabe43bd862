//! Logs: one line an event on stderr, for people on a terminal, as JSON for everybody else.

use std::io::{IsTerminal, stderr};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// How much is logged; the names are those of MetalLB's flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Packets too.
    All,
    /// Decisions.
    Debug,
    /// What a user asked for.
    Info,
    /// What we cope with.
    Warn,
    /// What a person must act on.
    Error,
    /// Nothing.
    None,
}

impl std::fmt::Display for LogLevel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.to_possible_value().map_or(Ok(()), |value| f.write_str(value.get_name()))
    }
}

/// Starts logging; the first line says what this is. A second call changes nothing.
pub fn init(level: LogLevel, name: &str, version: &str) {
    let default = match level {
        LogLevel::All => LevelFilter::TRACE,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::None => LevelFilter::OFF,
    };
    let filter = EnvFilter::builder().with_default_directive(default.into()).from_env_lossy();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    let started = if stderr().is_terminal() {
        builder.with_target(false).try_init()
    } else {
        builder.json().flatten_event(true).with_ansi(false).try_init()
    };
    if started.is_ok() {
        tracing::info!(name, version, "started");
    }
}
