//! What must not be lost when something goes wrong.

use futures::FutureExt;

use crate::Scenario;
use crate::backend::Stage;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        ("what is held survives kill -9, and nobody else gets it", |stage| restarted(stage).boxed_local()),
        ("a wrong pool leaves the last good configuration in force", |stage| refused(stage).boxed_local()),
        ("an API server that is gone for a while costs nothing but time", |stage| outage(stage).boxed_local()),
    ]
}

async fn restarted(stage: &mut Stage) {
    stage.pool("default", "10.10.52.0/30", "").await;
    for (name, expected) in [("b", "10.10.52.0"), ("c", "10.10.52.1"), ("d", "10.10.52.2")] {
        stage.service(name, "", "").await;
        stage.has(name, &[expected]).await;
    }
    stage.kill();
    stage.delete("Service", "default", "c").await;
    // By its name it comes before all that hold an address.
    stage.service("a-new", "", "").await;
    stage.start();
    stage.has("a-new", &["10.10.52.1"]).await;
    stage.has("b", &["10.10.52.0"]).await;
    stage.has("d", &["10.10.52.2"]).await;
}

async fn refused(stage: &mut Stage) {
    stage.pool("default", "10.10.52.0/24", "").await;
    stage.service("web", "", "").await;
    stage.has("web", &["10.10.52.0"]).await;
    stage.pool("wrong", "10.10.52.128-10.10.60.1", "").await;
    stage.service("more", "", "").await;
    stage.has("more", &["10.10.52.1"]).await;
    stage.has("web", &["10.10.52.0"]).await;
    stage.pool("wrong", "10.10.60.0/24", "").await;
    stage.service("named", ", annotations: {metallb.io/address-pool: wrong}", "").await;
    stage.has("named", &["10.10.60.0"]).await;
}

async fn outage(stage: &mut Stage) {
    stage.pool("default", "10.10.52.0/24", "").await;
    stage.service("web", "", "").await;
    stage.has("web", &["10.10.52.0"]).await;
    let Some(cluster) = stage.cluster() else { return };
    assert!(cluster.kill_api_server().is_ok());
    assert!(cluster.start_api_server().await.is_ok());
    stage.service("more", "", "").await;
    stage.has("more", &["10.10.52.1"]).await;
    stage.has("web", &["10.10.52.0"]).await;
}
