//! Metadata in front of a whole application.

use std::task::{Context, Poll};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::ProtectedResourceMetadata;
use super::documents::{self, Asked, Documents};
use crate::answer_future::AnswerFuture;
use crate::error::BuildError;
use crate::ready;
use crate::response_body::ResponseBody;

/// Answers requests for metadata in front of any service, and passes on everything else.
///
/// It belongs outside of everything that changes paths. Several resources of one host go into one layer, so that it
/// knows that there are several.
#[derive(Clone, Debug, Default)]
pub struct MetadataLayer {
    documents: Documents,
}

/// The service of a [`MetadataLayer`].
#[derive(Clone, Debug)]
pub struct Metadata<S> {
    inner: S,
    documents: Documents,
}

impl MetadataLayer {
    /// Serves these.
    ///
    /// # Errors
    ///
    /// - two resources have the same path: [`Conflict`](crate::error::BuildErrorKind::Conflict)
    pub fn new(all: impl IntoIterator<Item = ProtectedResourceMetadata>) -> Result<Self, BuildError> {
        Ok(Self { documents: Documents::new(all.into_iter().collect())? })
    }

    pub(crate) fn of(documents: Documents) -> Self {
        Self { documents }
    }
}

impl<S> Layer<S> for MetadataLayer {
    type Service = Metadata<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Metadata { inner, documents: self.documents.clone() }
    }
}

impl<S, B, R> Service<Request<B>> for Metadata<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = AnswerFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut inner = ready::take(&mut self.inner);
        match self.documents.asked(request.uri()) {
            Asked::Document(document) => {
                AnswerFuture::answered(documents::answer(Some(document), &request), &request)
            }
            Asked::Nothing | Asked::Unknown => AnswerFuture::served(inner.call(request)),
        }
    }
}
