//! What the controller does for a user, seen from outside: one suite over both sources, a directory of manifests and a
//! real API server, with the real binary.

mod allocation;
mod backend;
mod changes;
mod trouble;

use backend::{Backend, Stage};

/// A name and what happens on the stage.
type Scenario = (&'static str, fn(&mut Stage) -> futures::future::LocalBoxFuture<'_, ()>);

/// Every scenario begins with nothing but the stage.
fn scenarios() -> Vec<Scenario> {
    [allocation::scenarios(), changes::scenarios(), trouble::scenarios()].concat()
}

async fn play(backend: Backend) {
    let mut stage = Stage::new(backend);
    for (name, scenario) in scenarios() {
        stage.announce(name);
        stage.begin().await;
        scenario(&mut stage).await;
        stage.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_scenario_holds_on_a_directory() {
    play(Backend::directory()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_scenario_holds_on_an_api_server() {
    if let Some(backend) = Backend::kubernetes().await {
        play(backend).await;
    }
}
