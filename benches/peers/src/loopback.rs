//! A provider on loopback: fixed documents, as late as wanted, and every request counted.

use std::collections::HashMap;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::Uri;
use http::header::CONTENT_TYPE;

/// What an address answers.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(body: impl Into<String>) -> Self {
        let headers = vec![(CONTENT_TYPE.to_string(), "application/json".to_owned())];
        Self { status: 200, headers, body: body.into() }
    }
}

/// A server on a thread of its own. It runs as long as the process.
#[derive(Clone, Debug)]
pub(crate) struct Loopback {
    origin: String,
    pages: Arc<Mutex<HashMap<String, Page>>>,
}

#[derive(Debug)]
struct Page {
    answer: Answer,
    requests: usize,
}

impl Loopback {
    pub(crate) fn start(delay: Duration) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let own = Self { origin, pages: Arc::default() };
        let server = own.clone();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let router = Router::new().fallback(async move |uri: Uri| {
                    let answer = server.take(uri.path());
                    tokio::time::sleep(delay).await;
                    answer
                });
                axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), router).await.unwrap();
            });
        });
        own
    }

    /// Answers a path from now on, and says at which address.
    pub(crate) fn set(&self, path: &str, answer: Answer) -> String {
        self.pages.lock().unwrap().insert(path.to_owned(), Page { answer, requests: 0 });
        format!("{}{path}", self.origin)
    }

    /// How often a path was asked for.
    pub(crate) fn requests(&self, path: &str) -> usize {
        self.pages.lock().unwrap().get(path).map_or(0, |page| page.requests)
    }

    fn take(&self, path: &str) -> Response {
        let mut pages = self.pages.lock().unwrap();
        let Some(page) = pages.get_mut(path) else {
            return Response::builder().status(404).body(Body::empty()).unwrap();
        };
        page.requests += 1;
        let response = Response::builder().status(page.answer.status);
        let response = page.answer.headers.iter().fold(response, |it, (name, value)| it.header(name, value));
        response.body(page.answer.body.clone().into()).unwrap()
    }
}
