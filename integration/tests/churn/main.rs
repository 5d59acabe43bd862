//! No address is ever held twice, lost or changed without cause: the short version of what `make soak` runs.

use ferrolb_integration::apiserver;
use ferrolb_integration::churn::{self, Plan};

#[tokio::test(flavor = "multi_thread")]
async fn no_address_is_held_twice_lost_or_changed_without_cause() {
    let Some(programs) = apiserver::available().unwrap() else { return };
    let seed = std::env::var("SEED").ok().map_or(1, |text| text.parse().unwrap());
    eprintln!("SEED={seed}");
    let report = churn::run(programs, Plan::SHORT, seed).await.unwrap_or_else(|error| panic!("{error}"));
    eprintln!("{report}");
    // It saw what it was made to judge.
    let tally = report.tally;
    assert!(tally.given > 100 && tally.shared > 0 && tally.taken > 0, "{report}");
}
