//! Sets up the metadata of a resource.

use std::sync::Arc;

use bytes::Bytes;

use super::documents::WELL_KNOWN;
use super::{Inner, Members, ProtectedResourceMetadata};
use crate::endpoint;
use crate::error::{BuildError, BuildErrorKind};
use crate::scope::{MAX_IN_CHALLENGE, ScopeSet};

const MAX_DOCUMENT: usize = 32 * 1024;

/// Sets up [`ProtectedResourceMetadata`].
#[derive(Clone, Debug)]
#[must_use = "the metadata are made by `build`"]
pub struct ProtectedResourceMetadataBuilder {
    resource: String,
    authorization_servers: Vec<String>,
    scopes_supported: Vec<String>,
    name: Option<String>,
    documentation: Option<String>,
    policy: Option<String>,
    terms: Option<String>,
}

impl ProtectedResourceMetadataBuilder {
    pub(super) fn new(resource: String) -> Self {
        Self {
            resource,
            authorization_servers: Vec::new(),
            scopes_supported: Vec::new(),
            name: None,
            documentation: None,
            policy: None,
            terms: None,
        }
    }

    /// The issuers whose tokens this resource takes, as they write themselves, the preferred one first: some clients
    /// try no other. At least one.
    pub fn authorization_servers<T: Into<String>>(mut self, issuers: impl IntoIterator<Item = T>) -> Self {
        self.authorization_servers = issuers.into_iter().map(Into::into).collect();
        self
    }

    /// The scopes that make sense here, as clients have to ask for them. `offline_access` is left out: it is between
    /// the client and its provider.
    ///
    /// Default: none, and the document says nothing of scopes.
    pub fn scopes_supported<T: Into<String>>(mut self, scopes: impl IntoIterator<Item = T>) -> Self {
        self.scopes_supported = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// The name that users see. Default: none.
    pub fn resource_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// An `https` URL with documentation for developers. Default: none.
    pub fn resource_documentation(mut self, url: impl Into<String>) -> Self {
        self.documentation = Some(url.into());
        self
    }

    /// An `https` URL that says how clients may use the data. Default: none.
    pub fn resource_policy_uri(mut self, url: impl Into<String>) -> Self {
        self.policy = Some(url.into());
        self
    }

    /// An `https` URL with the terms of service. Default: none.
    pub fn resource_tos_uri(mut self, url: impl Into<String>) -> Self {
        self.terms = Some(url.into());
        self
    }

    /// Makes the metadata.
    ///
    /// # Errors
    ///
    /// - a URL is not `https` or loopback, or the resource is too long: [`InvalidUrl`](BuildErrorKind::InvalidUrl),
    ///   [`InsecureUrl`](BuildErrorKind::InsecureUrl), [`OutOfRange`](BuildErrorKind::OutOfRange)
    /// - there is no authorization server: [`Missing`](BuildErrorKind::Missing)
    /// - a scope is none, or the name is empty or has control characters:
    ///   [`InvalidText`](BuildErrorKind::InvalidText)
    /// - the document is longer than 32 KiB: [`OutOfRange`](BuildErrorKind::OutOfRange)
    pub fn build(self) -> Result<ProtectedResourceMetadata, BuildError> {
        let uri = endpoint::check("resource", &self.resource)?;
        if self.resource.len() > MAX_IN_CHALLENGE {
            return Err(BuildError::new("resource", BuildErrorKind::OutOfRange));
        }
        let origin = self.resource.split('/').take(3).collect::<Vec<_>>().join("/");
        let origin = origin.split('?').next().unwrap_or_default();
        let (path, query) = (uri.path(), uri.query());
        // RFC 9728 §3.1: in front of the path, and of a query; a slash that is all of the path goes away.
        let inserted = if path == "/" { "" } else { path };
        let url = format!(
            "{origin}{WELL_KNOWN}{inserted}{}",
            query.map(|query| format!("?{query}")).unwrap_or_default()
        );
        Ok(ProtectedResourceMetadata {
            inner: Arc::new(Inner {
                url: url.into_boxed_str(),
                path: path.strip_suffix('/').unwrap_or(path).into(),
                query: query.map(Into::into),
                json: self.document()?,
                resource: self.resource.into_boxed_str(),
            }),
        })
    }

    fn document(&self) -> Result<Bytes, BuildError> {
        let is_issuer = |issuer: &String| endpoint::check("authorization_servers", issuer).map(drop);
        self.authorization_servers.iter().try_for_each(is_issuer)?;
        if self.authorization_servers.is_empty() {
            return Err(BuildError::new("authorization_servers", BuildErrorKind::Missing));
        }
        if !self.scopes_supported.iter().all(|scope| ScopeSet::is_scope(scope)) {
            return Err(BuildError::new("scopes_supported", BuildErrorKind::InvalidText));
        }
        let is_empty = |name: &String| name.trim().is_empty() || name.contains(char::is_control);
        if self.name.as_ref().is_some_and(is_empty) {
            return Err(BuildError::new("resource_name", BuildErrorKind::InvalidText));
        }
        let urls = [
            ("resource_documentation", &self.documentation),
            ("resource_policy_uri", &self.policy),
            ("resource_tos_uri", &self.terms),
        ];
        for (setting, url) in urls {
            url.as_ref().map(|url| endpoint::check(setting, url)).transpose()?;
        }
        let mut authorization_servers: Vec<String> = Vec::new();
        for issuer in &self.authorization_servers {
            if !authorization_servers.contains(issuer) {
                authorization_servers.push(issuer.clone());
            }
        }
        let scopes = ScopeSet::from_iter(&self.scopes_supported).without_offline_access();
        let [documentation, policy, terms] = urls.map(|(setting, url)| (setting, url.as_deref()));
        let members = Members {
            resource: &self.resource,
            authorization_servers: &authorization_servers,
            scopes_supported: &scopes.iter().collect::<Vec<_>>(),
            texts: [("resource_name", self.name.as_deref()), documentation, policy, terms],
        };
        let too_long = || BuildError::new("metadata", BuildErrorKind::OutOfRange);
        let json = serde_json::to_vec(&members).map_err(|_| too_long())?;
        if json.len() > MAX_DOCUMENT { Err(too_long()) } else { Ok(json.into()) }
    }
}
