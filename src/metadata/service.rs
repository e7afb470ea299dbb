//! A service that has metadata, and nothing else.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::ProtectedResourceMetadata;
use super::documents::{self, Asked, Documents};
use crate::answer_future;
use crate::error::BuildError;
use crate::response_body::ResponseBody;

/// Serves the metadata of one or several resources of a host; everything else is 404.
///
/// It reads the whole path, so route to it without stripping:
///
/// ```
/// # use axum::Router;
/// # use tower_bearer::ProtectedResourceMetadata;
/// # use tower_bearer::metadata::MetadataService;
/// # fn app(a: ProtectedResourceMetadata, b: ProtectedResourceMetadata) -> Result<Router, tower_bearer::BuildError> {
/// let metadata = MetadataService::new([a, b])?;
/// # Ok(
/// Router::new()
///     .route_service("/.well-known/oauth-protected-resource", metadata.clone())
///     .route_service("/.well-known/oauth-protected-resource/{*resource}", metadata)
/// # )}
/// ```
#[derive(Clone, Debug)]
pub struct MetadataService {
    documents: Documents,
}

impl MetadataService {
    /// Serves these.
    ///
    /// # Errors
    ///
    /// - two resources have the same path: [`Conflict`](crate::error::BuildErrorKind::Conflict)
    pub fn new(all: impl IntoIterator<Item = ProtectedResourceMetadata>) -> Result<Self, BuildError> {
        Ok(Self { documents: Documents::new(all.into_iter().collect())? })
    }
}

impl<B> Service<Request<B>> for MetadataService {
    type Response = Response<ResponseBody<String>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let document = match self.documents.asked(request.uri()) {
            Asked::Document(document) => Some(document),
            Asked::Nothing | Asked::Unknown => None,
        };
        let mut response = documents::answer(document, &request);
        answer_future::close_if_unread(&mut response, request.version(), request.headers());
        ready(Ok(response.map(ResponseBody::rejection)))
    }
}
