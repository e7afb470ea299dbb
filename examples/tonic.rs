//! A gRPC service behind the layer, and what its callers get with and without a token.
//!
//!     cargo run --example tonic --all-features
//!
//! It starts a provider and the server on loopback, makes four calls, prints what comes back, and ends.
#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::error::Error;

use tonic::codegen::tokio_stream::{Empty, empty};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use tonic::{Request, Response, Status};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tower_bearer::testing::TestIssuer;
use tower_bearer::{AccessToken, AuthLayer, JwtVerifier};

const API: &str = "https://api.example.com";

struct Service;

#[tonic::async_trait]
impl Health for Service {
    type WatchStream = Empty<Result<HealthCheckResponse, Status>>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        // The layer put it there; a service that finds none must not go on.
        let token = request.extensions().get::<AccessToken>();
        let token = token.ok_or_else(|| Status::internal("no layer is around this service"))?;
        println!("  the handler serves {}", token.subject().unwrap_or("?"));
        Ok(Response::new(HealthCheckResponse { status: 1 }))
    }

    async fn watch(&self, _: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Ok(Response::new(empty()))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let issuer = TestIssuer::start().await?;
    let verifier = JwtVerifier::builder(issuer.issuer(), API).build()?;
    let auth = AuthLayer::builder(verifier).resource(API).required_scopes(["status:read"]).grpc().build()?;

    let incoming = TcpIncoming::bind("127.0.0.1:0".parse()?)?;
    let url = format!("http://{}", incoming.local_addr()?);
    let router = Server::builder().layer(auth).add_service(HealthServer::new(Service));
    tokio::spawn(router.serve_with_incoming(incoming));

    let mut client = HealthClient::new(Channel::from_shared(url)?.connect().await?);
    let good = issuer.token().audience(API).scope("status:read").mint();
    let weak = issuer.token().audience(API).scope("profile:read").mint();
    for (what, token) in [("no", ""), ("a forged", "x.y.z"), ("a weak", &*weak), ("a good", &*good)] {
        println!("{what} token:");
        let mut request = Request::new(HealthCheckRequest::default());
        if !token.is_empty() {
            request.metadata_mut().insert("authorization", format!("Bearer {token}").parse()?);
        }
        match client.check(request).await {
            Ok(_) => println!("  ok"),
            Err(status) => println!("  {:?}: {}", status.code(), status.message()),
        }
    }
    Ok(())
}
