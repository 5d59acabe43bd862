//! What processes have used, from proc(5).

use std::fs;
use std::io;
use std::time::Duration;

use crate::apiserver::Error;

/// Ticks a second in `/proc`, `USER_HZ`: 100 on every architecture that ferrolb is built for (time(7)).
const TICKS: u64 = 100;
/// Fields of `/proc/PID/stat` behind the name, counted from 0.
const PARENT: usize = 1;
const USER: usize = 11;
const SYSTEM: usize = 12;
/// Fields of the first line of `/proc/stat` that are work: user, nice, system, irq, softirq, steal.
const WORK: [usize; 6] = [0, 1, 2, 5, 6, 7];

/// The processor time that a process has used, in its own code and in the kernel's.
pub(super) fn cpu(pid: u32) -> Result<Duration, Error> {
    let path = format!("/proc/{pid}/stat");
    let text = read(&path)?;
    let fields = behind_name(&text);
    match (number(&fields, USER), number(&fields, SYSTEM)) {
        (Some(user), Some(system)) => Ok(ticks(user + system)),
        _ => Err(unreadable(&path)),
    }
}

/// The most memory that a process has had, in bytes.
pub(super) fn peak_memory(pid: u32) -> Result<u64, Error> {
    let path = format!("/proc/{pid}/status");
    let text = read(&path)?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|text| text.trim().parse().ok());
    kibibytes.map(|kibibytes: u64| kibibytes * 1024).ok_or_else(|| unreadable(&path))
}

/// The processor time that all processes of the machine have used.
pub(super) fn machine() -> Result<Duration, Error> {
    let path = "/proc/stat";
    let text = read(path)?;
    let fields: Vec<&str> = text.lines().next().unwrap_or_default().split_whitespace().skip(1).collect();
    let work: Option<u64> = WORK.iter().map(|field| number(&fields, *field)).sum();
    work.map(ticks).ok_or_else(|| unreadable(path))
}

/// The child of this process that has `name`, of at most 15 bytes.
pub(super) fn child(name: &str) -> Result<u32, Error> {
    let own = u64::from(std::process::id());
    let entries = fs::read_dir("/proc").map_err(failed("/proc"))?;
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    for pid in pids {
        // It may have ended meanwhile.
        let Ok(text) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        if name_of(&text) == Some(name) && number(&behind_name(&text), PARENT) == Some(own) {
            return Ok(pid);
        }
    }
    Err(failed(name)(io::Error::from(io::ErrorKind::NotFound)))
}

/// The name stands in parentheses, and may have some itself.
fn name_of(stat: &str) -> Option<&str> {
    Some(stat.split_once('(')?.1.rsplit_once(')')?.0)
}

fn behind_name(stat: &str) -> Vec<&str> {
    stat.rsplit_once(')').map_or_else(Vec::new, |(_, rest)| rest.split_whitespace().collect())
}

fn number(fields: &[&str], place: usize) -> Option<u64> {
    fields.get(place)?.parse().ok()
}

fn ticks(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 1000 / TICKS)
}

fn read(path: &str) -> Result<String, Error> {
    fs::read_to_string(path).map_err(failed(path))
}

fn unreadable(path: &str) -> Error {
    failed(path)(io::Error::from(io::ErrorKind::InvalidData))
}

fn failed(path: &str) -> impl FnOnce(io::Error) -> Error {
    let what = format!("look at {path}");
    move |source| Error::System { what, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_shifts_no_field() {
        let stat = "7 (a ) (b) S 4 7 7 0 -1 0 1 2 3 4 250 30 0 0 20 0 3 0";
        assert_eq!(name_of(stat), Some("a ) (b"));
        let fields = behind_name(stat);
        assert_eq!([PARENT, USER, SYSTEM].map(|field| number(&fields, field)), [Some(4), Some(250), Some(30)]);
    }

    #[test]
    fn this_process_has_used_something() {
        let own = std::process::id();
        assert!(peak_memory(own).unwrap() > 0);
        assert!(machine().unwrap() >= cpu(own).unwrap());
        assert!(child("nobody").is_err());
    }
}
