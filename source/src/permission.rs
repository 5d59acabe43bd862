//! Whether the owner of a token may get a path: asked of the API server, as Kubernetes' own components do before they
//! show their metrics.

use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use k8s_openapi::api::authorization::v1::{NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// For one question.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What the owner of a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// What was asked.
    Granted,
    /// The token is nobody's.
    Unauthenticated,
    /// Not what was asked.
    Forbidden,
}

/// The API server has not said.
#[derive(Debug, Error)]
pub enum PermissionError {
    /// It did not answer in time.
    #[error("{0}: no answer from the API server in {TIMEOUT:?}")]
    Timeout(&'static str),
    /// It refuses to.
    #[error("{0}")]
    Api(&'static str, #[source] kube::Error),
}

/// Asks the API server for permissions, each time anew; cheap to clone.
#[derive(Clone)]
pub struct Permissions {
    client: Client,
}

// === impl Permissions ===

impl Permissions {
    /// Asks through `client`, whose own account has to be allowed to create `TokenReview` and `SubjectAccessReview`.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Whether the owner of `token` may get `path` (a path outside of the API, `/metrics` for example).
    ///
    /// # Errors
    /// The API server has not said.
    pub async fn may_get(self, token: String, path: String) -> Result<Permission, PermissionError> {
        let spec = TokenReviewSpec { token: Some(token), ..TokenReviewSpec::default() };
        let review = self.ask("TokenReview", &TokenReview { spec, ..TokenReview::default() }).await?;
        let status = review.status.unwrap_or_default();
        let (Some(true), Some(user)) = (status.authenticated, status.user) else {
            return Ok(Permission::Unauthenticated);
        };
        let attributes = NonResourceAttributes { path: Some(path), verb: Some("get".to_owned()) };
        let spec = SubjectAccessReviewSpec {
            extra: user.extra,
            groups: user.groups,
            non_resource_attributes: Some(attributes),
            uid: user.uid,
            user: user.username,
            ..SubjectAccessReviewSpec::default()
        };
        let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
        let allowed = self.ask("SubjectAccessReview", &review).await?.status.is_some_and(|status| status.allowed);
        Ok(if allowed { Permission::Granted } else { Permission::Forbidden })
    }

    async fn ask<K>(&self, what: &'static str, review: &K) -> Result<K, PermissionError>
    where
        K: kube::Resource<DynamicType = ()> + Clone + std::fmt::Debug + Serialize + DeserializeOwned,
    {
        let (api, params) = (Api::<K>::all(self.client.clone()), PostParams::default());
        match tokio::time::timeout(TIMEOUT, api.create(&params, review)).await {
            Ok(answer) => answer.map_err(|error| PermissionError::Api(what, error)),
            Err(_elapsed) => Err(PermissionError::Timeout(what)),
        }
    }
}

impl std::fmt::Debug for Permissions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Permissions").finish_non_exhaustive()
    }
}
