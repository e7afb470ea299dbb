//! `HostGuard` and its settings.

use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;

use super::authority::{Authority, Origin};
use super::policy::{AllowedOrigin, Policy, PortRule};
use super::service::GuardedHost;
use crate::error::{BuildError, BuildErrorKind};
use crate::once_a_minute::OnceAMinute;

const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Lets only requests for known hosts and from known pages reach the service. Clones are cheap and share the lists.
///
/// It goes outside of everything else. See [the module](super) for the rules and an example.
#[derive(Clone)]
#[must_use = "it guards the service that it is put around"]
pub struct HostGuard {
    policy: Arc<Policy>,
}

impl HostGuard {
    /// A guard for a server on the loopback interface: the hosts `localhost`, `127.0.0.1` and `[::1]`, and pages of
    /// these hosts over `http`, at any port.
    ///
    /// # Security
    ///
    /// A page of any other server on this machine may send requests, such as that of a development server. Name the
    /// origins by the [`builder`](Self::builder) where that is too many.
    pub fn loopback() -> Self {
        let hosts: Vec<_> = LOOPBACK.into_iter().filter_map(Authority::parse).collect();
        let origin = |authority: &Authority<'static>| {
            let origin = Origin::Page { scheme: "http".into(), authority: authority.clone() };
            AllowedOrigin { origin, port: PortRule::Any }
        };
        let origins = hosts.iter().map(origin).collect();
        Self::with(hosts, origins)
    }

    /// Starts a guard with lists of yours.
    pub fn builder() -> HostGuardBuilder {
        HostGuardBuilder { hosts: None, origins: None }
    }

    fn with(hosts: Vec<Authority<'static>>, origins: Vec<AllowedOrigin>) -> Self {
        Self { policy: Arc::new(Policy { hosts, origins, warning: OnceAMinute::new() }) }
    }
}

impl<S> Layer<S> for HostGuard {
    type Service = GuardedHost<S>;

    fn layer(&self, inner: S) -> Self::Service {
        GuardedHost::new(inner, Arc::clone(&self.policy))
    }
}

impl fmt::Debug for HostGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostGuard")
            .field("hosts", &self.policy.hosts)
            .field("origins", &self.policy.origins)
            .finish_non_exhaustive()
    }
}

/// Sets up a [`HostGuard`].
#[derive(Debug)]
#[must_use = "the guard is made by `build`"]
pub struct HostGuardBuilder {
    // None: not set.
    hosts: Option<Vec<String>>,
    origins: Option<Vec<String>>,
}

impl HostGuardBuilder {
    /// The hosts that requests may be for: a name or an address, IPv6 in brackets, with a port or for any port.
    ///
    /// Required.
    pub fn hosts<T: Into<String>>(mut self, hosts: impl IntoIterator<Item = T>) -> Self {
        self.hosts = Some(hosts.into_iter().map(Into::into).collect());
        self
    }

    /// The origins that pages may be of, as browsers write them: `https://app.example.com`, with a port where it is not
    /// that of the scheme. `null` stands for pages that do not say.
    ///
    /// Default: none. Only requests without `Origin` pass, which are those that no page sent.
    ///
    /// # Security
    ///
    /// Any page can make its requests come from `null`.
    pub fn origins<T: Into<String>>(mut self, origins: impl IntoIterator<Item = T>) -> Self {
        self.origins = Some(origins.into_iter().map(Into::into).collect());
        self
    }

    /// Makes the guard.
    ///
    /// # Errors
    ///
    /// - no hosts are set: [`Missing`](BuildErrorKind::Missing)
    /// - a list that is set is empty, or has an empty entry, or `*`: [`Empty`](BuildErrorKind::Empty)
    /// - a host is not a name or an address with at most a port: [`InvalidText`](BuildErrorKind::InvalidText)
    /// - an origin is not a scheme, a host and at most a port, or `null`: [`InvalidUrl`](BuildErrorKind::InvalidUrl)
    pub fn build(self) -> Result<HostGuard, BuildError> {
        let missing = || BuildError::new("hosts", BuildErrorKind::Missing);
        let hosts = entries("hosts", &self.hosts.ok_or_else(missing)?, |text| {
            Authority::parse(text).map(Authority::into_owned).ok_or(BuildErrorKind::InvalidText)
        })?;
        let origins = match &self.origins {
            Some(origins) => entries("origins", origins, |text| {
                let origin = Origin::parse(text).ok_or(BuildErrorKind::InvalidUrl)?;
                Ok(AllowedOrigin { origin: origin.into_owned(), port: PortRule::Exact })
            })?,
            None => Vec::new(),
        };
        Ok(HostGuard::with(hosts, origins))
    }
}

fn entries<T>(
    setting: &'static str,
    texts: &[String],
    parse: impl Fn(&str) -> Result<T, BuildErrorKind>,
) -> Result<Vec<T>, BuildError> {
    if texts.is_empty() || texts.iter().any(|text| matches!(text.as_str(), "" | "*")) {
        return Err(BuildError::new(setting, BuildErrorKind::Empty));
    }
    let entries = texts.iter().map(|text| parse(text)).collect::<Result<_, _>>();
    entries.map_err(|kind| BuildError::new(setting, kind))
}
