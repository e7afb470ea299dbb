//! What can go wrong with an answer.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Response, StatusCode};

const PAGE: &str =
    "<!DOCTYPE html>\n<html><head><title>Unicorn!</title></head><body>Please try again.</body></html>\n";

/// Something that goes wrong between a fake and those who ask it.
///
/// [`TestGitHub::fail`](super::TestGitHub::fail), [`TestIntrospection::fail`](super::TestIntrospection::fail) and
/// `TestIssuer::fail` take it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// Another answer: a status, headers and a body of choice.
    Answer(Response<Bytes>),
    /// The right answer, but late by that time. It is decided when the request arrives.
    Delay(Duration),
    /// Status 200 with a page of HTML, as proxies and captive portals send it.
    Garbage,
    /// No answer, ever. The connection stays open.
    Hang,
    /// Status 302 with that `Location`, or without one if it is not the text of a header.
    Redirect(String),
    /// No answer: the connection is reset when the request has arrived.
    Reset,
    /// That status with an empty body. 500 if there is no such status.
    Status(u16),
    /// Half of the body of the right answer, whose `Content-Length` promises all of it. The connection is closed then.
    Truncate,
}

impl Fault {
    /// The answer that stands in for the right one, for faults that have one.
    pub(super) fn answer(&self) -> Option<Response<Bytes>> {
        match self {
            Self::Answer(response) => Some(response.clone()),
            Self::Garbage => {
                let mut response = Response::new(Bytes::from_static(PAGE.as_bytes()));
                let html = HeaderValue::from_static("text/html; charset=utf-8");
                response.headers_mut().insert(CONTENT_TYPE, html);
                Some(response)
            }
            Self::Redirect(to) => {
                let mut response = empty(StatusCode::FOUND);
                if let Ok(to) = HeaderValue::try_from(to.as_str()) {
                    response.headers_mut().insert(LOCATION, to);
                }
                Some(response)
            }
            Self::Status(status) => {
                Some(empty(StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)))
            }
            Self::Delay(_) | Self::Hang | Self::Reset | Self::Truncate => None,
        }
    }
}

fn empty(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}

/// Which requests meet which fault.
#[derive(Debug, Default)]
pub(super) struct Faults {
    counted: VecDeque<(Fault, u64)>,
    // Prefixes of paths. The empty one is every path.
    lasting: Vec<(String, Fault)>,
}

impl Faults {
    /// For every request whose path starts so, in place of what was said about the same prefix.
    pub(super) fn set(&mut self, prefix: &str, fault: Fault) {
        self.lasting.retain(|(known, _)| known != prefix);
        self.lasting.push((prefix.to_owned(), fault));
    }

    /// For that many requests, after those that were announced before.
    pub(super) fn add(&mut self, fault: Fault, times: u64) {
        self.counted.push_back((fault, times));
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// What the next request meets.
    pub(super) fn next(&mut self, path: &str) -> Option<Fault> {
        while let Some((fault, left)) = self.counted.front_mut() {
            if let Some(rest) = left.checked_sub(1) {
                *left = rest;
                return Some(fault.clone());
            }
            self.counted.pop_front();
        }
        let applies = self.lasting.iter().filter(|(prefix, _)| path.starts_with(prefix.as_str()));
        applies.max_by_key(|(prefix, _)| prefix.len()).map(|(_, fault)| fault.clone())
    }
}
