//! A service of hyper, without a framework: HTTP/1.1 and HTTP/2 on one port.
//!
//!     cargo run --example hyper --all-features
//!
//! It prints what to `curl`.
#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::convert::Infallible;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_bearer::testing::TestIssuer;
use tower_bearer::{AccessToken, AuthLayer, JwtVerifier};

const API: &str = "http://127.0.0.1:3000";

async fn me(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    let token: Option<&AccessToken> = request.extensions().get();
    let subject = token.and_then(AccessToken::subject).unwrap_or("?");
    Ok(Response::new(format!("{subject}\n")))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let provider = TestIssuer::start().await?;
    let auth = AuthLayer::new(JwtVerifier::builder(provider.issuer(), API).build()?);
    let service = ServiceBuilder::new().layer(auth).service_fn(me);

    let token = provider.token().subject("alice").audience(API).mint();
    println!("good:       curl -i {API}/ -H 'Authorization: Bearer {token}'");
    println!("HTTP/2:     curl -i --http2-prior-knowledge {API}/ -H 'Authorization: Bearer {token}'");
    println!("no token:   curl -i {API}/");
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            // A connection that breaks is nobody else's business.
            drop(Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await);
        });
    }
}
