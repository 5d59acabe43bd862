//! What these tests share.

use std::process::Output;

use ferrolb_integration::apiserver::{self, ControlPlane, Options};

/// A control plane of one's own, to break; none where the machine cannot run one, which is then said.
pub(crate) async fn own_control_plane() -> Option<ControlPlane> {
    let programs = apiserver::available().unwrap()?;
    Some(ControlPlane::start(Options::new(programs)).await.unwrap())
}

/// What a command printed, if it succeeded without a word of complaint.
pub(crate) fn printed(output: &Output) -> String {
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaint.is_empty(), "{}: {complaint}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}
