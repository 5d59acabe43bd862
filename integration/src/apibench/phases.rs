//! What is measured, in its order.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::controller::Controller;
use super::observer::{self, Observer, Sight};
use super::report::{Bulk, Pass, Report, Restart, Samples};
use super::say;
use super::stage::{BULK, SAMPLES, Stage, name};
use super::usage;
use crate::apiserver::Error;
use crate::clock;

/// What takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(600);
/// The Services of the bulk are counted by so many.
const BLOCK: usize = 1000;
/// Where the controller proves that it is at work.
const PROBE: &str = "at-work";
const PROBE_AGAIN: &str = "at-work-again";

/// See the module.
pub(super) struct Bench {
    stage: Stage,
    program: PathBuf,
    api_server: u32,
    etcd: u32,
    services: usize,
}

/// What everybody had used when something began.
#[derive(Debug)]
struct Meter {
    began: Instant,
    api_server: Duration,
    etcd: Duration,
    own: Duration,
    machine: Duration,
}

// === impl Bench ===

impl Bench {
    /// Starts the API server.
    pub(super) async fn prepare(programs: PathBuf, program: PathBuf, services: usize) -> Result<Self, Error> {
        let stage = Stage::set_up(programs).await?;
        let (api_server, etcd) = (usage::child("kube-apiserver")?, usage::child("etcd")?);
        Ok(Self { stage, program, api_server, etcd, services })
    }

    /// Measures everything; `samples`: Services that are created one after the other.
    pub(super) async fn run(self, samples: usize) -> Result<Report, Error> {
        say(&format!("{samples} Services, one after the other ..."));
        let samples = self.samples(samples).await?;
        say(&format!("{} Services are created ...", self.services));
        self.stage.create_bulk(self.services).await?;
        say("the bar: their statuses are patched ...");
        let first = self.bar().await?;
        say("ferrolb-controller gives them addresses ...");
        let (controller, bulk) = self.bulk().await?;
        say("ferrolb-controller is started again ...");
        let restart = self.restart(controller).await?;
        self.stage.clear_bulk(self.services).await?;
        say("the bar again ...");
        let second = self.bar().await?;
        Ok(Report::new(self.services, samples, [first, second], bulk, restart))
    }

    async fn samples(&self, count: usize) -> Result<Samples, Error> {
        let mut observer = Observer::open(self.stage.client.clone(), SAMPLES).await?;
        let controller = Controller::start(&self.stage, &self.program)?;
        controller.ready().await?;
        // The first one waits for the Lease and opens connections.
        self.stage.create_service(SAMPLES, PROBE).await?;
        let first = observer.address_of(PROBE);
        controller.brings_about(PATIENCE, "the first Service has an address", first).await?;
        let (mut from_request, mut from_sight) = (Vec::new(), Vec::new());
        for number in 0..count {
            let name = name(number);
            let asked = clock::now();
            let seen = async {
                let appeared = observer.until(|sight| sight.name == name).await?;
                let addressed =
                    if appeared.has_address { appeared.clone() } else { observer.address_of(&name).await? };
                Ok::<_, Error>((appeared, addressed))
            };
            let both = async { tokio::try_join!(self.stage.create_service(SAMPLES, &name), seen) };
            let ((), (appeared, addressed)) =
                controller.brings_about(PATIENCE, format!("{name} has an address"), both).await?;
            from_request.push(addressed.at - asked);
            from_sight.push(addressed.at - appeared.at);
        }
        controller.end().await?;
        self.stage.delete_samples(count).await?;
        Ok(Samples::new(from_sight, from_request))
    }

    async fn bar(&self) -> Result<Pass, Error> {
        let meter = self.meter()?;
        self.stage.patch_bulk(self.services).await?;
        let pass = self.read(&meter, Duration::ZERO)?;
        self.stage.clear_bulk(self.services).await?;
        Ok(pass)
    }

    async fn bulk(&self) -> Result<(Controller, Bulk), Error> {
        let mut observer = Observer::open(self.stage.client.clone(), BULK).await?;
        let meter = self.meter()?;
        let controller = Controller::start(&self.stage, &self.program)?;
        let began = controller.began();
        let mut blocks = Vec::new();
        let mut before = began;
        for number in 1..=self.services {
            let what = || format!("Service {number} of {} has an address", self.services);
            let seen = controller.brings_about(PATIENCE, what(), observer.until(|sight| sight.has_address)).await?;
            if number == 1 || number % BLOCK == 0 || number == self.services {
                blocks.push((number, seen.at - before));
                before = seen.at;
            }
        }
        let wall = before - began;
        let cpu = controller.cpu()?;
        let pass = Pass { wall, ..self.read(&meter, cpu)? };
        let peak_memory = controller.peak_memory()?;
        Ok((controller, Bulk { pass, cpu, peak_memory, blocks }))
    }

    async fn restart(&self, controller: Controller) -> Result<Restart, Error> {
        controller.end().await?;
        let held = observer::all(&self.stage.client, BULK).await?;
        let mut observer = Observer::open(self.stage.client.clone(), SAMPLES).await?;
        let controller = Controller::start(&self.stage, &self.program)?;
        let ready = controller.ready().await?;
        // A new Service is served after all that are held were looked at.
        self.stage.create_service(SAMPLES, PROBE_AGAIN).await?;
        let served =
            controller.brings_about(PATIENCE, "the controller is at work", observer.address_of(PROBE_AGAIN)).await?;
        let at_work = served.at - controller.began();
        let (cpu, peak_memory) = (controller.cpu()?, controller.peak_memory()?);
        controller.end().await?;
        let now = observer::all(&self.stage.client, BULK).await?;
        let same = |(one, other): (&Sight, &Sight)| one.name == other.name && one.version == other.version;
        let kept = held.iter().zip(&now).filter(|pair| same(*pair)).count();
        Ok(Restart { ready, at_work, changed: held.len().max(now.len()) - kept, cpu, peak_memory })
    }

    fn meter(&self) -> Result<Meter, Error> {
        Ok(Meter {
            began: clock::now(),
            api_server: usage::cpu(self.api_server)?,
            etcd: usage::cpu(self.etcd)?,
            own: usage::cpu(std::process::id())?,
            machine: usage::machine()?,
        })
    }

    /// What was used since; `controller`: of which the controller.
    fn read(&self, meter: &Meter, controller: Duration) -> Result<Pass, Error> {
        let now = self.meter()?;
        let api_server = now.api_server.saturating_sub(meter.api_server);
        let etcd = now.etcd.saturating_sub(meter.etcd);
        let ours = api_server + etcd + now.own.saturating_sub(meter.own) + controller;
        let others = now.machine.saturating_sub(meter.machine + ours);
        Ok(Pass { wall: now.began - meter.began, api_server, etcd, others })
    }
}
