//! Sets up a [`ReqwestClient`] and finds what cannot work before the first request does.

use std::fmt;
use std::time::Duration;

use reqwest::{Certificate, Client, ClientBuilder, Proxy, redirect, retry};

use super::public_addresses::PublicOnly;
use super::reqwest::ReqwestClient;
use crate::error::{BuildError, BuildErrorKind};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
const MIN_TIMEOUT: Duration = Duration::from_millis(1);
const MAX_TIMEOUT: Duration = Duration::from_secs(60);
const USER_AGENT: &str = concat!("tower-bearer/", env!("CARGO_PKG_VERSION"));

/// Sets up a [`ReqwestClient`].
#[derive(Clone)]
#[must_use = "the client is made by `build`"]
pub struct ReqwestClientBuilder {
    certificates: Vec<Vec<u8>>,
    proxy: Option<String>,
    public_only: bool,
    user_agent: String,
    connect_timeout: Duration,
    first_byte_timeout: Duration,
    timeout: Duration,
    max_body: usize,
}

impl ReqwestClient {
    /// A client with the defaults.
    ///
    /// # Errors
    ///
    /// - TLS cannot be set up, usually for want of trusted root certificates: [`Tls`](BuildErrorKind::Tls)
    pub fn new() -> Result<Self, BuildError> {
        Self::builder().build()
    }

    /// Starts a client with settings.
    pub fn builder() -> ReqwestClientBuilder {
        ReqwestClientBuilder {
            certificates: Vec::new(),
            proxy: None,
            public_only: false,
            user_agent: USER_AGENT.to_owned(),
            connect_timeout: CONNECT_TIMEOUT,
            first_byte_timeout: MAX_TIMEOUT,
            timeout: MAX_TIMEOUT,
            max_body: usize::MAX,
        }
    }
}

impl ReqwestClientBuilder {
    /// Trusts further root certificates, in PEM, besides those of the operating system. May be called again.
    ///
    /// For a provider inside the company.
    pub fn add_root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.certificates.push(pem.into());
        self
    }

    /// Sends everything through a proxy, such as `http://proxy.example.com:3128`. Name and password for it may stand
    /// before the host.
    ///
    /// Default: none, whatever the environment says.
    ///
    /// # Security
    ///
    /// `https` goes through it as a tunnel: it learns the names of the hosts, not the content.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Some(url.into());
        self
    }

    /// Connects to hosts on the public internet only: not to this machine, to private networks or to the metadata
    /// service of a cloud, in whatever form the address is written, and whatever a name resolves to. The address that
    /// was judged is the one that is connected to. Excludes a [`proxy`](Self::proxy), which resolves names by itself.
    ///
    /// Default: any host. All addresses come from the configuration, or from the metadata of an issuer that is
    /// configured; this is for a server whose issuers are configured by others.
    pub fn ssrf_protection(mut self) -> Self {
        self.public_only = true;
        self
    }

    /// How this server names itself. Default: `tower-bearer/` and the version.
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = user_agent.into();
        self
    }

    /// How long to wait for a connection. Default: 2 seconds. From 1 millisecond to 60 seconds.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long to wait for an answer to begin, connecting included.
    ///
    /// Default: 60 seconds, so that the limit for the whole answer decides. From 1 millisecond to 60 seconds.
    pub fn first_byte_timeout(mut self, timeout: Duration) -> Self {
        self.first_byte_timeout = timeout;
        self
    }

    /// How long to wait for a whole answer, if the caller would wait longer.
    ///
    /// Default: 60 seconds. From 1 millisecond to 60 seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The longest body in bytes, if the caller would take a longer one. Default: the caller decides.
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// Makes the client. It sends nothing, and needs no runtime yet.
    ///
    /// # Errors
    ///
    /// - a time limit is below 1 millisecond or above 60 seconds, or no body is allowed:
    ///   [`OutOfRange`](BuildErrorKind::OutOfRange)
    /// - a certificate cannot be read: [`InvalidKey`](BuildErrorKind::InvalidKey)
    /// - the proxy is not an `http` or `https` URL of a host alone: [`InvalidUrl`](BuildErrorKind::InvalidUrl)
    /// - a proxy together with [`ssrf_protection`](Self::ssrf_protection): [`Conflict`](BuildErrorKind::Conflict)
    /// - the user agent cannot be sent: [`InvalidText`](BuildErrorKind::InvalidText)
    /// - TLS cannot be set up, usually for want of trusted root certificates: [`Tls`](BuildErrorKind::Tls)
    pub fn build(self) -> Result<ReqwestClient, BuildError> {
        for (setting, timeout) in [
            ("connect_timeout", self.connect_timeout),
            ("first_byte_timeout", self.first_byte_timeout),
            ("timeout", self.timeout),
        ] {
            if timeout < MIN_TIMEOUT || timeout > MAX_TIMEOUT {
                return Err(BuildError::new(setting, BuildErrorKind::OutOfRange));
            }
        }
        if self.max_body == 0 {
            return Err(BuildError::new("max_body", BuildErrorKind::OutOfRange));
        }
        if self.public_only && self.proxy.is_some() {
            return Err(BuildError::new("ssrf_protection", BuildErrorKind::Conflict));
        }
        if self.user_agent.is_empty() || http::HeaderValue::from_str(&self.user_agent).is_err() {
            return Err(BuildError::new("user_agent", BuildErrorKind::InvalidText));
        }
        let no_tls = |error| BuildError::new("http_client", BuildErrorKind::Tls).because(error);
        Ok(ReqwestClient {
            client: self.client()?.build().map_err(no_tls)?,
            fresh: self.client()?.pool_max_idle_per_host(0).build().map_err(no_tls)?,
            max_body: self.max_body,
            first_byte_timeout: self.first_byte_timeout,
            timeout: self.timeout,
            public_only: self.public_only,
        })
    }

    fn client(&self) -> Result<ClientBuilder, BuildError> {
        let mut client = Client::builder()
            .connect_timeout(self.connect_timeout)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .retry(retry::never())
            .user_agent(&self.user_agent);
        for pem in &self.certificates {
            let unreadable = |_| BuildError::new("add_root_certificates", BuildErrorKind::InvalidKey);
            let certificates = Certificate::from_pem_bundle(pem).map_err(unreadable)?;
            // Only a client reads what is inside of them.
            let only = Client::builder().tls_certs_only(certificates.clone()).build();
            if certificates.is_empty() || only.is_err() {
                return Err(BuildError::new("add_root_certificates", BuildErrorKind::InvalidKey));
            }
            client = client.tls_certs_merge(certificates);
        }
        if self.public_only {
            client = client.dns_resolver(PublicOnly);
        }
        if let Some(proxy) = &self.proxy {
            client = client.proxy(checked_proxy(proxy)?);
        }
        Ok(client)
    }
}

impl fmt::Debug for ReqwestClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestClientBuilder").finish_non_exhaustive()
    }
}

/// A proxy is named by its host and port. What goes through it to an issuer is encrypted, so that plain `http` is fine.
fn checked_proxy(proxy: &str) -> Result<Proxy, BuildError> {
    let invalid = || BuildError::new("proxy", BuildErrorKind::InvalidUrl);
    let uri: http::Uri = proxy.parse().map_err(|_| invalid())?;
    let scheme = matches!(uri.scheme_str(), Some("http" | "https"));
    if !scheme || proxy.contains('#') || uri.path_and_query().is_some_and(|path| path.as_str() != "/") {
        return Err(invalid());
    }
    Proxy::all(proxy).map_err(|_| invalid())
}
