//! What `--webhook-mode` turns off is off, and the rest works.

use serde_json::Value;

use crate::ask::{ask, get, may_create, path};
use crate::common::{apply, printed};
use crate::installation::{address_of, installation, lease, pool, service};
use crate::patience::eventually;

#[tokio::test]
async fn webhooks_and_addresses_go_without_each_other() {
    let Some(mut installation) = installation().await else { return };
    let client = installation.client().await;
    installation.stop_controller().await;
    let free = get(&client, &lease()).await.unwrap();
    installation.start_controller(&["--webhook-mode", "onlywebhook"]);
    installation.serving().await;
    printed(&apply(&installation.cluster, &pool("pool", &["192.0.2.0/29"]).to_string()).await);
    let web = service("web");
    printed(&apply(&installation.cluster, &web.to_string()).await);
    installation.stop_controller().await;
    assert_eq!(get(&client, &lease()).await.unwrap(), free, "who assigns nothing leaves the Lease to others");
    assert_eq!(get(&client, &web).await.unwrap()["status"]["loadBalancer"], serde_json::json!({}));

    installation.start_controller(&["--webhook-mode", "disabled"]);
    eventually("the controller is ready", async || installation.ready().await).await;
    eventually("the Service has an address", async || address_of(&client, &web).await).await;
    let asked = may_create(&client, &pool("other", &["198.51.100.0/29"])).await;
    assert!(asked.refusal().contains("failed calling webhook"), "{asked}");
    ask(&client, "DELETE", &path(&web), &Value::Null).await.object().unwrap();
}
