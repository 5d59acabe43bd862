//! A node as a machine of its own: pid, mount and uts namespaces below the lab's, in the host's network namespace, with
//! containerd, kubelet and kube-proxy under a first process that starts them again when they end.
//!
//! ```text
//! lab machine ──> lab first-process (pid 1) ──> containerd, kubelet, kube-proxy ──> shims and pods
//!  unshares        mounts, imports images, reaps
//! ```
//!
//! The end of pid 1 is the end of all of it, mounts included. Paths are the usual ones: `/var/lib` and `/var/log` are
//! folders of the lab that outlive a crash, `/run/containerd` and `/run/netns` are empty at every start.

use std::fs;
use std::fs::{File, OpenOptions};
use std::io;
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, sethostname};

use super::configuration::{CONTAINERD_FILE, CONTAINERD_SOCKET, KUBELET_FILE, SHADOWED};
use super::{ProxyMode, arguments, cgroups, image_folder};
use crate::clock;
use crate::error::{Error, system};
use crate::layout::Family;
use crate::namespaces::{LOG_FOLDER, exit_code};

/// How long containerd may take to listen; the bound of a hang.
const CONTAINERD_DEADLINE: Duration = Duration::from_secs(60);
const CONTAINERD_POLL: Duration = Duration::from_millis(20);
/// Before a program that has ended is started again.
const AGAIN: Duration = Duration::from_secs(1);

/// A node's machine, as `lab` is told on its command line.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Machine {
    /// Name of the node.
    #[arg(long)]
    node: String,
    /// What its disk would hold.
    #[arg(long)]
    folder: PathBuf,
    /// Folder of kubelet and kube-proxy.
    #[arg(long)]
    programs: PathBuf,
    /// The control group below which its pods are.
    #[arg(long)]
    cgroup: String,
    #[arg(long)]
    proxy: ProxyMode,
    #[arg(long)]
    family: Family,
    /// The node's addresses.
    #[arg(long = "address")]
    addresses: Vec<IpAddr>,
}

/// A program that pid 1 keeps running.
struct Program {
    name: &'static str,
    command: Vec<String>,
    pid: Option<Pid>,
}

/// The hidden verb `machine`: makes the namespaces and holds pid 1.
pub(crate) fn hold(machine: &Machine) -> Result<u8, Error> {
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWUTS)
        .map_err(system("make the node's namespaces"))?;
    die_with_parent()?;
    sethostname(&machine.node).map_err(system("name the node"))?;
    let own = std::env::current_exe().map_err(system("find the lab's own executable"))?;
    let mut first = Command::new(own);
    first.arg("first-process").args(std::env::args_os().skip(2));
    let status = first.status().map_err(system("start the node's first process"))?;
    Ok(exit_code(status))
}

/// The hidden verb `first-process`: pid 1 of a node. Never returns when all is well.
pub(crate) fn be_first_process(machine: &Machine) -> Result<u8, Error> {
    die_with_parent()?;
    make_mounts(machine)?;
    cgroups::clear(&machine.cgroup)?;
    let mut programs = vec![machine.containerd()];
    programs.iter_mut().try_for_each(|program| program.start(machine))?;
    await_containerd(&mut programs, machine)?;
    import_images(machine)?;
    programs.extend([machine.kubelet(), machine.kube_proxy()]);
    programs.iter_mut().skip(1).try_for_each(|program| program.start(machine))?;
    loop {
        keep(&mut programs, machine, None)?;
    }
}

fn die_with_parent() -> Result<(), Error> {
    set_pdeathsig(Signal::SIGKILL).map_err(system("ask to die with the parent"))
}

/// The node's own folders and its own view of processes and of the machine's settings.
fn make_mounts(machine: &Machine) -> Result<(), Error> {
    const NONE: Option<&str> = None;
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), plain, NONE).map_err(system("mount the node's /proc"))?;
    let shadows = machine.folder.join("settings");
    for (setting, value) in SHADOWED {
        let (shadow, covered) = (shadows.join(setting), Path::new("/proc/sys").join(setting));
        if covered.exists() {
            make_folder(shadow.parent().unwrap_or(&shadows))?;
            fs::write(&shadow, value).map_err(system(format!("write {}", shadow.display())))?;
            bind(&shadow, &covered)?;
        }
    }
    for (kept, usual) in [("lib", "/var/lib"), ("log", "/var/log")] {
        let kept = machine.folder.join(kept);
        make_folder(&kept)?;
        bind(&kept, Path::new(usual))?;
    }
    for (volatile, usual) in [("run/containerd", "/run/containerd"), ("run/netns", "/run/netns")] {
        let volatile = machine.folder.join(volatile);
        match fs::remove_dir_all(&volatile) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(system(format!("empty {}", volatile.display()))(error));
            }
            _gone => make_folder(&volatile)?,
        }
        make_folder(Path::new(usual))?;
        bind(&volatile, Path::new(usual))?;
    }
    Ok(())
}

fn make_folder(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(system(format!("make {}", path.display())))
}

fn bind(from: &Path, to: &Path) -> Result<(), Error> {
    mount(Some(from), to, None::<&str>, MsFlags::MS_BIND, None::<&str>).map_err(system(format!(
        "mount {} on {}",
        from.display(),
        to.display()
    )))
}

fn await_containerd(programs: &mut [Program], machine: &Machine) -> Result<(), Error> {
    let began = clock::now();
    while UnixStream::connect(CONTAINERD_SOCKET).is_err() {
        if began.elapsed() > CONTAINERD_DEADLINE {
            return Err(Error::TimedOut { what: "containerd listens".to_owned(), after: CONTAINERD_DEADLINE });
        }
        keep(programs, machine, Some(WaitPidFlag::WNOHANG))?;
        clock::pause(CONTAINERD_POLL);
    }
    Ok(())
}

/// Takes in every archive of the cluster, once: the node's disk keeps them.
fn import_images(machine: &Machine) -> Result<(), Error> {
    let done = machine.folder.join("imported");
    if done.exists() {
        return Ok(());
    }
    let folder = image_folder();
    for archive in fs::read_dir(&folder).map_err(system("look for images"))?.flatten() {
        let output = Command::new("ctr")
            .args(["--address", CONTAINERD_SOCKET, "--namespace", "k8s.io", "images", "import"])
            .arg(archive.path())
            .stdin(Stdio::null())
            .output()
            .map_err(system("run ctr"))?;
        if !output.status.success() {
            return Err(Error::Command {
                command: format!("ctr images import {}", archive.path().display()),
                message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            });
        }
    }
    fs::write(&done, "").map_err(system(format!("write {}", done.display())))
}

/// Collects whoever has ended, and starts one of our own again.
fn keep(programs: &mut [Program], machine: &Machine, flags: Option<WaitPidFlag>) -> Result<(), Error> {
    let ended = match waitpid(None, flags) {
        Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..)) => pid,
        Ok(_still_there) => return Ok(()),
        Err(nix::errno::Errno::EINTR) => return Ok(()),
        Err(error) => return Err(system("wait for the node's processes")(error)),
    };
    let Some(program) = programs.iter_mut().find(|program| program.pid == Some(ended)) else { return Ok(()) };
    clock::pause(AGAIN);
    program.start(machine)
}

// === impl Machine ===

impl Machine {
    fn containerd(&self) -> Program {
        let file = self.folder.join(CONTAINERD_FILE).display().to_string();
        Program::new("containerd", ["containerd", "--config", &file].map(str::to_owned).into())
    }

    fn kubelet(&self) -> Program {
        let program = self.programs.join("kubelet");
        let file = self.folder.join(KUBELET_FILE);
        Program::new("kubelet", arguments::kubelet(&program, &self.node, &self.addresses, &file))
    }

    fn kube_proxy(&self) -> Program {
        let program = self.programs.join("kube-proxy").display().to_string();
        Program::new("kube-proxy", arguments::kube_proxy(&program, self.proxy, self.family, &self.node))
    }

    fn log(&self, name: &str) -> io::Result<File> {
        let path = Path::new(LOG_FOLDER).join(format!("{name}-{}.log", self.node));
        OpenOptions::new().create(true).append(true).open(path)
    }
}

// === impl Program ===

impl Program {
    fn new(name: &'static str, command: Vec<String>) -> Self {
        Self { name, command, pid: None }
    }

    fn start(&mut self, machine: &Machine) -> Result<(), Error> {
        let failed = || format!("start {}", self.name);
        let log = machine.log(self.name).and_then(|log| Ok((log.try_clone()?, log))).map_err(system(failed()))?;
        let Some((program, arguments)) = self.command.split_first() else { return Ok(()) };
        let mut command = Command::new(program);
        command.args(arguments).current_dir("/").env("TMPDIR", "/run").stdin(Stdio::null()).stdout(log.0).stderr(log.1);
        let child = command.spawn().map_err(system(failed()))?;
        self.pid = i32::try_from(child.id()).map(Pid::from_raw).ok();
        Ok(())
    }
}
