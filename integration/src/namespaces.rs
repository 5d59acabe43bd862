//! The namespaces of a lab, and how processes get into them.
//!
//! ```text
//! lab up ──> lab cradle ──> lab init (pid 1) ──> lab supervise (pid 2) ──> everything else
//!            unshares       mounts, reaps         runs the lab
//! ```
//!
//! Each of the first three dies when its parent dies (`PR_SET_PDEATHSIG`), and the end of pid 1 is the end of every
//! process in its pid namespace: whoever is killed with -9, nothing stays. The supervisor also watches its stream to
//! `lab up`, which covers a parent that died before the child could ask for the signal.
//!
//! Standard input of all three is the listening control socket, made by `lab up` in its own network namespace so that
//! it can be reached from there; standard output is the stream to `lab up`. See namespaces(7), `pid_namespaces`(7),
//! `user_namespaces`(7).

use std::env;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::{Pid, getppid};

use crate::error::{Error, system};
use crate::layout::SWITCH;
use crate::requirements::{needs_user_namespace, search_path};

/// Where `ip` keeps named network namespaces; inside a lab this is on the lab's own tmpfs.
pub(crate) const NETNS_FOLDER: &str = "/run/netns";
/// Everything else of a lab, on the same tmpfs.
pub(crate) const LAB_FOLDER: &str = "/run/lab";
/// The directory of manifests.
pub(crate) const SOURCE_FOLDER: &str = "/run/lab/source";
/// What the processes wrote.
pub(crate) const LOG_FOLDER: &str = "/run/lab/logs";
/// The kubeconfig of one who may do everything, in a lab that has an API server.
pub(crate) const KUBECONFIG: &str = "/run/lab/kubeconfig";
/// kubectl, there.
pub(crate) const KUBECTL: &str = "/run/lab/kubectl";
/// What kubectl runs for `kubectl ferrolb`, in a cluster.
pub(crate) const PLUGIN: &str = "/run/lab/kubectl-ferrolb";
/// helm, in a cluster.
pub(crate) const HELM: &str = "/run/lab/helm";
/// How many source ports of the client were used.
pub(crate) const PORT_LEDGER: &str = "/run/lab/client-ports";

/// The cradle's byte for "I have the namespaces", and the holder's for "you have your user ids".
const HANDSHAKE: [u8; 1] = *b"n";

/// How a process in the lab ends when its parent does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Orphaned {
    /// It lives on.
    Stays,
    /// It is killed.
    Dies,
}

/// The file that is the network namespace of `place`.
pub(crate) fn netns(place: &str) -> PathBuf {
    Path::new(NETNS_FOLDER).join(place)
}

/// The stream to `lab up`, which is this process's standard output.
pub(crate) fn stream_to_holder() -> Result<UnixStream, Error> {
    let fd = io::stdout().as_fd().try_clone_to_owned().map_err(system("take over the stream to `lab up`"))?;
    Ok(UnixStream::from(fd))
}

/// Tells the holder that the namespaces are there, or, with its peer, answers that.
pub(crate) fn shake_hands_first(stream: &mut UnixStream) -> io::Result<()> {
    stream.write_all(&HANDSHAKE)?;
    stream.read_exact(&mut [0])
}

/// The other half of [`shake_hands_first`]: waits for the byte; [`answer_handshake`] completes it.
pub(crate) fn await_handshake(stream: &mut UnixStream) -> io::Result<()> {
    stream.read_exact(&mut [0])
}

/// Lets the cradle go on.
pub(crate) fn answer_handshake(stream: &mut UnixStream) -> io::Result<()> {
    stream.write_all(&HANDSHAKE)
}

/// The hidden verb `cradle`: moves into new namespaces, waits for its user ids, and holds pid 1.
pub(crate) fn cradle() -> Result<u8, Error> {
    let mut flags = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNET;
    if needs_user_namespace() {
        flags |= CloneFlags::CLONE_NEWUSER;
    }
    unshare(flags).map_err(system("make the lab's namespaces"))?;
    // After unshare: a change of credentials clears the setting.
    die_with_parent()?;
    shake_hands_first(&mut stream_to_holder()?).map_err(system("hear from `lab up`"))?;
    let mut init = own_command()?;
    let status = init.arg("init").status().map_err(system("start the lab's first process"))?;
    Ok(exit_code(status))
}

/// The hidden verb `init`: pid 1. Makes the mounts, starts the supervisor, and reaps until that ends.
pub(crate) fn init() -> Result<u8, Error> {
    die_with_parent()?;
    // /proc is still the holder's: it knows this process by the id that it has outside.
    let outside = fs::read_link("/proc/self").map_err(system("read the process id outside"))?;
    make_mounts()?;
    let mut supervisor = own_command()?;
    let supervisor = supervisor
        .arg("supervise")
        .arg("--init-pid")
        .arg(outside)
        // Temporary files of whatever the lab runs are in the lab and end with it.
        .env("TMPDIR", LAB_FOLDER)
        .spawn()
        .map_err(system("start the lab's supervisor"))?;
    let supervisor = i32::try_from(supervisor.id()).map(Pid::from_raw).ok();
    loop {
        match wait() {
            Ok(WaitStatus::Exited(pid, code)) if Some(pid) == supervisor => {
                return Ok(u8::try_from(code).unwrap_or(1));
            }
            Ok(WaitStatus::Signaled(pid, ..)) if Some(pid) == supervisor => return Ok(1),
            Ok(_orphan) => {}
            Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(system("wait for the lab's processes")(error)),
        }
    }
}

/// A private view of the mounts, this pid namespace's /proc, and a tmpfs over /run for everything a lab writes.
fn make_mounts() -> Result<(), Error> {
    const NONE: Option<&str> = None;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE).map_err(system("make the mounts private"))?;
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), plain, NONE).map_err(system("mount the lab's /proc"))?;
    mount(Some("lab"), "/run", Some("tmpfs"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, Some("mode=755,size=1g"))
        .map_err(system("mount the lab's /run"))?;
    for folder in [NETNS_FOLDER, LAB_FOLDER, SOURCE_FOLDER, LOG_FOLDER] {
        fs::create_dir_all(folder).map_err(system(format!("make {folder}")))?;
    }
    name_netns(SWITCH)
}

/// Gives the calling thread's network namespace a name, the way `ip netns` does.
pub(crate) fn name_netns(place: &str) -> Result<(), Error> {
    let path = netns(place);
    File::create(&path).map_err(system(format!("make {}", path.display())))?;
    mount(Some("/proc/thread-self/ns/net"), &path, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .map_err(system(format!("name the network namespace {place}")))
}

/// Makes a network namespace called `place`, applying `prepare` inside it.
///
/// Runs on a thread of its own, which keeps the caller's namespace as it is.
pub(crate) fn create_netns(place: &str, prepare: impl FnOnce() -> Result<(), Error> + Send) -> Result<(), Error> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).map_err(system(format!("make the network namespace {place}")))?;
            name_netns(place)?;
            prepare()
        });
        thread.join().unwrap_or_else(|_panic| {
            Err(Error::Ended { reason: format!("the thread that makes the namespace {place} panicked") })
        })
    })
}

/// The hidden verb `inside`: becomes `command` in the network namespace of `place`. Returns only when that fails.
pub(crate) fn inside(place: &str, orphaned: Orphaned, command: &[String]) -> Result<u8, Error> {
    if orphaned == Orphaned::Dies {
        set_pdeathsig(Signal::SIGKILL).map_err(system("ask to die with the parent"))?;
        // An orphan in a pid namespace belongs to pid 1: the parent died before it could be asked for.
        if getppid() == Pid::from_raw(1) {
            return Ok(1);
        }
    }
    let file = File::open(netns(place)).map_err(system(format!("open the network namespace {place}")))?;
    setns(file, CloneFlags::CLONE_NEWNET).map_err(system(format!("enter the network namespace {place}")))?;
    SigSet::empty().thread_set_mask().map_err(system("let all signals through"))?;
    let Some((program, arguments)) = command.split_first() else {
        return Err(Error::Refused { reason: "no command given".to_owned() });
    };
    Err(system(format!("run {program}"))(Command::new(program).args(arguments).exec()))
}

/// Runs `command` in `place` of the lab whose first process is `init_pid`, on this process's terminal, and returns its
/// exit code. Called from outside the lab, on a process with one thread.
pub(crate) fn enter_and_run(init_pid: u32, place: &str, command: &[String]) -> Result<u8, Error> {
    let folder = PathBuf::from(format!("/proc/{init_pid}/ns"));
    let open = |name: &str| File::open(folder.join(name)).map_err(system(format!("open the lab's {name} namespace")));
    let (user, mounts, pids) = (open("user")?, open("mnt")?, open("pid")?);
    // Found before entering: there, /proc knows only processes of the lab.
    let mut inside = own_command()?;
    inside.env("PATH", search_path());
    let working_folder = env::current_dir();
    if fs::read_link("/proc/self/ns/user").ok() != fs::read_link(folder.join("user")).ok() {
        setns(user, CloneFlags::CLONE_NEWUSER).map_err(system("enter the lab's user namespace"))?;
    }
    setns(mounts, CloneFlags::CLONE_NEWNS).map_err(system("enter the lab's mount namespace"))?;
    setns(pids, CloneFlags::CLONE_NEWPID).map_err(system("enter the lab's pid namespace"))?;
    // Entering a mount namespace moves to its root.
    if let Ok(folder) = working_folder {
        env::set_current_dir(folder).or_else(|_covered| env::set_current_dir("/")).map_err(system("change folder"))?;
    }
    // Ctrl-C is for the command; its end is ours. The mask is inherited: `inside` takes it off again.
    let mut interactive = SigSet::empty();
    interactive.add(Signal::SIGINT);
    interactive.add(Signal::SIGQUIT);
    interactive.thread_block().map_err(system("leave Ctrl-C to the command"))?;
    let status = inside
        .args(["inside", "--die-with-parent", "--place", place, "--"])
        .args(command)
        .status()
        .map_err(system("run a command in the lab"))?;
    Ok(exit_code(status))
}

/// The shell's idea of an exit status: a signal is 128 and its number.
pub(crate) fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| signal.saturating_add(128)));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

fn die_with_parent() -> Result<(), Error> {
    set_pdeathsig(Signal::SIGKILL).map_err(system("ask to die with the parent"))
}

fn own_command() -> Result<Command, Error> {
    let own = env::current_exe().map_err(system("find the lab's own executable"))?;
    Ok(Command::new(own))
}
