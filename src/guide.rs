//! Pages for those who have something to do.
//!
//! | page | for whoever |
//! |---|---|
//! | [`first_service`] | has not used this crate before |
//! | [`mcp_github`] | runs a server of MCP and lets people in by GitHub |
//! | [`several_issuers`] | takes tokens of more than one kind: providers, tenants, keys |
//! | [`own_verifier`] | has tokens that no verifier of this crate knows |
//! | [`testing`] | tests routes that are behind this crate |
//! | [`operations`] | runs it: outages, logs, metrics, sizes, and what to do when |
//! | [`jwt_authorizer`], [`tower_oauth2_resource_server`], [`fastmcp`] | comes from there |
//! | [`contributing`] | changes this crate |
//!
//! The settings of a deployment are in [`settings`](crate::settings), providers by name in
//! [`providers`](crate::providers), browsers and CORS in [`host_guard`](crate::host_guard).

#![cfg_attr(docsrs, doc(auto_cfg = false))]

/// [operations]: crate::guide::operations
/// [several issuers]: crate::guide::several_issuers
/// [testing]: crate::guide::testing
#[doc = include_str!("../docs/first-service.md")]
pub mod first_service {}

/// [testing]: crate::guide::testing
#[doc = include_str!("../docs/mcp-github.md")]
pub mod mcp_github {}

#[doc = include_str!("../docs/several-issuers.md")]
pub mod several_issuers {}

/// [testing]: crate::guide::testing
#[doc = include_str!("../docs/own-verifier.md")]
pub mod own_verifier {}

#[doc = include_str!("../docs/testing.md")]
pub mod testing {}

#[doc = include_str!("../docs/operations.md")]
pub mod operations {}

#[doc = include_str!("../docs/jwt-authorizer.md")]
pub mod jwt_authorizer {}

#[doc = include_str!("../docs/tower-oauth2-resource-server.md")]
pub mod tower_oauth2_resource_server {}

/// [providers]: crate::providers
/// [settings]: crate::settings
#[doc = include_str!("../docs/fastmcp.md")]
pub mod fastmcp {}

#[doc = include_str!("../docs/contributing.md")]
pub mod contributing {}
