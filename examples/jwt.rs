//! Tower alone: a service, a layer, and a public key from a file. No server, no network.
//!
//!     cargo run --example jwt -- public.pem https://idp.example.com https://api.example.com TOKEN
//!
//! Prints the status, and the subject if the token is good.
#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::convert::Infallible;

use http::{Request, Response};
use http_body_util::BodyExt;
use tower::{ServiceBuilder, ServiceExt};
use tower_bearer::{AccessToken, AuthLayer, JwtVerifier};

async fn hello(request: Request<()>) -> Result<Response<String>, Infallible> {
    // The layer has put it there: without it, this service is not called.
    let token = request.extensions().get::<AccessToken>();
    let subject = token.and_then(AccessToken::subject).unwrap_or("?");
    Ok(Response::new(format!("hello {subject}")))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [pem, issuer, audience, token] = arguments.as_slice() else {
        return Err("arguments: PEM-FILE ISSUER AUDIENCE TOKEN".into());
    };
    let verifier =
        JwtVerifier::builder(issuer, audience).public_key_pem(std::fs::read_to_string(pem)?).build()?;
    let service = ServiceBuilder::new().layer(AuthLayer::new(verifier)).service_fn(hello);

    let request = Request::get("/").header("authorization", format!("Bearer {token}")).body(())?;
    let response = service.oneshot(request).await?;
    println!("{}", response.status());
    if let Some(challenge) = response.headers().get("www-authenticate") {
        println!("{}", challenge.to_str()?);
    }
    let body = response.into_body().collect().await?.to_bytes();
    println!("{}", String::from_utf8_lossy(&body));
    Ok(())
}
