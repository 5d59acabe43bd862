//! User and group ids of a lab without root.
//!
//! Where the system grants subordinate ids (subuid(5)) and has `newuidmap`, the lab gets those too, so that daemons
//! can change their user; else the caller's own id becomes root inside and there is no other. See
//! `user_namespaces`(7), "User and group ID mappings".

use std::fs;
use std::process::{Command, Stdio};

use nix::unistd::{Uid, User, getegid, geteuid};

use crate::error::{Error, system};
use crate::requirements::search_path;

/// A granted range: first id and count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    first: u32,
    count: u32,
}

/// Writes the maps of the process `pid`, which has just made a user namespace.
pub(super) fn give_ids(pid: u32) -> Result<(), Error> {
    let (uid, gid) = (geteuid(), getegid());
    let names = names_of(uid);
    let granted = |file: &str| fs::read_to_string(file).ok().and_then(|text| range_of(&text, &names));
    if let (Some(users), Some(groups)) = (granted("/etc/subuid"), granted("/etc/subgid"))
        && map_with("newgidmap", pid, gid.as_raw(), groups)
    {
        // The group map is written: from here on there is no way back to the single map.
        return if map_with("newuidmap", pid, uid.as_raw(), users) {
            Ok(())
        } else {
            Err(Error::Command { command: "newuidmap".to_owned(), message: "see /etc/subuid".to_owned() })
        };
    }
    let write = |file: &str, text: String| {
        fs::write(format!("/proc/{pid}/{file}"), text).map_err(system(format!("write {file} of the lab")))
    };
    write("setgroups", "deny".to_owned())?;
    write("gid_map", format!("0 {gid} 1"))?;
    write("uid_map", format!("0 {uid} 1"))
}

/// How subuid(5) may call a user.
fn names_of(uid: Uid) -> Vec<String> {
    let mut names = vec![uid.to_string()];
    if let Ok(Some(user)) = User::from_uid(uid) {
        names.push(user.name);
    }
    names
}

/// The first range granted to one of `names` in a file in the form of subuid(5).
fn range_of(text: &str, names: &[String]) -> Option<Range> {
    text.lines().find_map(|line| {
        let mut fields = line.trim().split(':');
        let owner = fields.next()?;
        let first = fields.next()?.parse().ok()?;
        let count = fields.next()?.parse().ok()?;
        (names.iter().any(|name| name == owner) && count > 0).then_some(Range { first, count })
    })
}

/// Runs the privileged helper; false when it is missing or refuses.
fn map_with(helper: &str, pid: u32, own: u32, range: Range) -> bool {
    let arguments = [pid, 0, own, 1, 1, range.first, range.count].map(|number| number.to_string());
    let status = Command::new(helper)
        .args(arguments)
        .env("PATH", search_path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_found_by_name_or_number() {
        let text = "root:1:65536\nalice:100000:65536\n1001:200000:10\n";
        let names = |name: &str| vec![name.to_owned()];
        assert_eq!(range_of(text, &names("alice")), Some(Range { first: 100_000, count: 65_536 }));
        assert_eq!(range_of(text, &names("1001")), Some(Range { first: 200_000, count: 10 }));
        assert_eq!(range_of(text, &names("bob")), None);
        assert_eq!(range_of("alice:x:1\nalice:5:0\n", &names("alice")), None, "broken and empty grants are none");
    }
}
