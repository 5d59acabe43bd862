//! `lab answers`: who answers for an address; and the observers' own command lines.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;

use super::probe::duration;
use crate::error::{Error, system};
use crate::lab::Lab;
use crate::observer;
use crate::output::{Form, print};

#[derive(Debug, Args)]
pub(super) struct AnswersArguments {
    /// The addresses; default: those of every service.
    addresses: Vec<IpAddr>,
    /// The host that asks.
    #[arg(long, default_value = "client")]
    from: String,
    /// For how long answers are collected.
    #[arg(long = "for", value_name = "DURATION", default_value = "300ms", value_parser = duration)]
    duration: Duration,
    /// Form of the output.
    #[arg(long, value_enum, default_value_t)]
    output: Form,
}

/// What an observer is told who runs on a host.
#[derive(Debug, Args)]
pub(super) struct AskHere {
    addresses: Vec<IpAddr>,
    #[arg(long)]
    number: u8,
    #[arg(long = "for", value_parser = duration)]
    duration: Duration,
}

/// Asks, and says who answered: exit code 0 when somebody did for each address.
pub(super) fn show(lab: &Lab, arguments: &AnswersArguments) -> Result<u8, Error> {
    let mut addresses = arguments.addresses.clone();
    if addresses.is_empty() {
        addresses = lab.state()?.services.into_iter().flat_map(|service| service.addresses).collect();
    }
    let answers = lab.answers(&arguments.from, &addresses, arguments.duration)?;
    let mut named = BTreeMap::<IpAddr, Vec<String>>::new();
    for (address, answers) in &answers {
        let names = named.entry(*address).or_default();
        for answer in answers {
            let host = lab.host_with(answer.mac)?.unwrap_or_else(|| "nobody of the lab".to_owned());
            names.push(format!("{host} ({})", answer.mac));
        }
    }
    match arguments.output {
        Form::Json => print(&(serde_json::to_string(&answers)? + "\n"))?,
        Form::Table => {
            for (address, names) in &named {
                let who = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
                print(&format!("{address}  {who}\n"))?;
            }
        }
    }
    Ok(u8::from(named.values().any(Vec::is_empty)))
}

/// Asks from the host that this process is on.
pub(super) fn ask_here(arguments: &AskHere) -> Result<u8, Error> {
    let answers = observer::ask(&arguments.addresses, arguments.number, arguments.duration)?;
    print(&(serde_json::to_string(&answers)? + "\n"))?;
    Ok(0)
}

/// Listens on the host that this process is on until standard input ends.
pub(super) fn watch_here(v6: bool) -> Result<u8, Error> {
    let over = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&over);
    let listener = std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        // However it ends, it is over.
        io::stdin().lock().read_to_end(&mut Vec::new()).ok();
        flag.store(true, Ordering::Relaxed);
    });
    listener.map_err(system("start the thread that watches standard input"))?;
    observer::watch(
        v6,
        || print("{}\n"),
        || over.load(Ordering::Relaxed),
        |sighting| print(&(serde_json::to_string(&sighting)? + "\n")),
    )?;
    Ok(0)
}
