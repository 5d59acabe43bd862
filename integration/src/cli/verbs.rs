//! What the verbs do.

use std::fs;
use std::io::{self, BufRead, Read};
use std::path::Path;

use super::{
    ApiBenchArguments, BenchArguments, UpArguments, Verb, answers, chaos, cluster, faults, probe::ProbeArguments,
    status,
};
use crate::apibench::{self, ApiBenchOptions};
use crate::apiserver;
use crate::binaries;
use crate::churn::{self, Plan};
use crate::error::{Error, system};
use crate::holder::{self, Audience, UpOptions};
use crate::lab::{Lab, default_values};
use crate::layout::SWITCH;
use crate::namespaces::{KUBECONFIG, KUBECTL, LAB_FOLDER, LOG_FOLDER, SOURCE_FOLDER, enter_and_run};
use crate::output::print;
use crate::requirements::missing_requirements;
use crate::tour::{self, BenchOptions};

/// Runs a verb for the lab called `name`; the exit code.
pub(super) fn run(name: &str, verb: Verb) -> Result<u8, Error> {
    let lab = || Lab::attach(name);
    match verb {
        Verb::Up(arguments) => return up(name, &arguments),
        Verb::Status { output } => return status::show(name, output),
        Verb::Fault(fault) => faults::run(&lab()?, fault)?,
        Verb::Endpoints { nodes } => lab()?.endpoints_on(&nodes)?,
        Verb::Apply { file, called } => apply(&lab()?, &file, called)?,
        Verb::Remove { manifest } => lab()?.remove(&manifest)?,
        Verb::Exec { place, command } => return exec(name, &place, &command),
        Verb::Kubectl { arguments } => return kubectl(name, arguments),
        Verb::Probe(arguments) => return probe(name, &arguments),
        Verb::Answers(arguments) => return answers::show(&lab()?, &arguments),
        Verb::Logs { process, follow } => return logs(name, &process, follow),
        Verb::Events { follow } => return events(name, follow),
        Verb::Down => lab()?.down()?,
        Verb::Demo { api } => return Ok(u8::from(!tour::demo(api)?)),
        Verb::Bench(arguments) => return Ok(u8::from(!tour::bench(&bench_options(arguments))?)),
        Verb::Chaos(arguments) => return chaos::run(&arguments),
        Verb::Apibench(arguments) => return Ok(u8::from(!apibench::apibench(&options(arguments))?)),
        Verb::Churn { seed, short } => return churn(seed, short),
        Verb::Cluster { verb } => return cluster::run(name, verb),
        Verb::Check => return check(),
        Verb::Internal(internal) => return internal.run(),
    }
    Ok(0)
}

fn up(name: &str, arguments: &UpArguments) -> Result<u8, Error> {
    let values = match (&arguments.values, arguments.managed) {
        (None, _) => default_values(arguments.family, &arguments.routers),
        (Some(_), true) => {
            let mut line = String::new();
            io::stdin().lock().read_line(&mut line).map_err(system("read the values"))?;
            serde_json::from_str(&line)?
        }
        (Some(file), false) => read(file)?,
    };
    holder::up(&UpOptions {
        name: name.to_owned(),
        nodes: arguments.nodes,
        family: arguments.family,
        routers: arguments.routers.clone(),
        services: arguments.services,
        profile: arguments.profile.clone(),
        speaker_flags: arguments.speaker_flags.clone(),
        values,
        api: arguments.api,
        with_daemons: !arguments.no_daemons,
        binaries: arguments.binaries.clone(),
        audience: if arguments.managed { Audience::Program } else { Audience::Person },
        cluster: None,
    })
}

fn bench_options(arguments: BenchArguments) -> BenchOptions {
    let BenchArguments { parts, crashes, keepalived, moves, samples, services, profile } = arguments;
    BenchOptions { parts, crashes, peers: keepalived, moves, samples, services, profile }
}

fn options(arguments: ApiBenchArguments) -> ApiBenchOptions {
    let ApiBenchArguments { services, samples, controller, output } = arguments;
    ApiBenchOptions { services, samples, controller, form: output }
}

fn apply(lab: &Lab, file: &Path, called: Option<String>) -> Result<(), Error> {
    let own_name = || file.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = called.or_else(own_name).filter(|name| name != "-");
    let Some(name) = name else {
        return Err(Error::Refused {
            reason: "a manifest from standard input needs a name: --as NAME.yaml".to_owned(),
        });
    };
    lab.apply(&name, &read(file)?)
}

pub(super) fn exec(name: &str, place: &str, command: &[String]) -> Result<u8, Error> {
    let lab = Lab::attach(name)?;
    if place != SWITCH && lab.layout().host(place).is_none() {
        let places: Vec<&str> = lab.layout().hosts().iter().map(|host| host.name.as_str()).collect();
        let reason = format!("there is no place {place}: choose one of {}, {SWITCH}", places.join(", "));
        return Err(Error::Refused { reason });
    }
    enter_and_run(lab.state()?.init_pid, place, command)
}

fn kubectl(name: &str, arguments: Vec<String>) -> Result<u8, Error> {
    if Lab::attach(name)?.state()?.api_server.is_none() {
        return Err(Error::Refused {
            reason: "this lab has no API server: start one with `cargo lab up --api kube`".to_owned(),
        });
    }
    // Its cache would otherwise be in the caller's home.
    let cache = format!("{LAB_FOLDER}/kubectl-cache");
    let mut command = [KUBECTL, "--kubeconfig", KUBECONFIG, "--cache-dir", &cache].map(str::to_owned).to_vec();
    command.extend(arguments);
    exec(name, SWITCH, &command)
}

fn probe(name: &str, arguments: &ProbeArguments) -> Result<u8, Error> {
    let binary = binaries::lab()?;
    exec(name, "client", &arguments.command(&binary))
}

fn logs(name: &str, process: &str, follow: bool) -> Result<u8, Error> {
    let lab = Lab::attach(name)?;
    let Some(text) = lab.logs(process)? else {
        let known: Vec<String> = lab.state()?.processes.into_iter().map(|process| process.name).collect();
        let reason = format!("there is no process {process}: choose one of {}", known.join(", "));
        return Err(Error::Refused { reason });
    };
    if follow {
        return tail(name, &format!("{LOG_FOLDER}/{process}.log"));
    }
    print(&text)?;
    Ok(0)
}

fn events(name: &str, follow: bool) -> Result<u8, Error> {
    const FILE: &str = "status/events.jsonl";
    if follow {
        return tail(name, &format!("{SOURCE_FOLDER}/{FILE}"));
    }
    print(&Lab::attach(name)?.read(FILE)?.unwrap_or_default())?;
    Ok(0)
}

/// Follows a file of the lab by name, so that it survives rotation.
fn tail(name: &str, path: &str) -> Result<u8, Error> {
    exec(name, SWITCH, &["tail", "-n", "+1", "-F", path].map(str::to_owned))
}

fn churn(seed: Option<u64>, short: bool) -> Result<u8, Error> {
    let seed = seed.unwrap_or_else(rand::random);
    print(&format!("SEED={seed}\n"))?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(system("start a runtime"))?;
    let Some(programs) = apiserver::available()? else { return Ok(1) };
    let plan = if short { Plan::SHORT } else { Plan::LONG };
    let report = runtime.block_on(churn::run(programs, plan, seed)).map_err(Box::new)?;
    print(&format!("{report}\n"))?;
    Ok(0)
}

fn check() -> Result<u8, Error> {
    let missing = missing_requirements();
    for what in &missing {
        print(&format!("{what}\n"))?;
    }
    if missing.is_empty() {
        print("a lab can run here\n")?;
    }
    Ok(u8::from(!missing.is_empty()))
}

/// The text of a file; of standard input for `-`.
fn read(file: &Path) -> Result<String, Error> {
    if file == Path::new("-") {
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text).map_err(system("read standard input"))?;
        return Ok(text);
    }
    fs::read_to_string(file).map_err(system(format!("read {}", file.display())))
}
