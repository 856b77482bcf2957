//! Who asks: everything that all connections of a check have in common.

use std::time::Duration;

use holdwire::handshake::{Connect, Endpoint, Subprotocol};
use holdwire::tls::TlsConnector;
use http::header::{AUTHORIZATION, COOKIE, ORIGIN, USER_AGENT};
use http::{HeaderMap, HeaderValue};

use crate::cli::CheckFlags;
use crate::connect::{Failure, insecure_connector, with_causes};

/// Opens connections as the flags say.
#[derive(Clone)]
pub(super) struct Visitor {
    pub(super) headers: HeaderMap,
    pub(super) subprotocols: Vec<Subprotocol>,
    /// `None` trusts whom the system trusts.
    pub(super) tls: Option<TlsConnector>,
    pub(super) proxy: Option<Endpoint>,
    /// How long each step and each answer may take.
    pub(super) timeout: Duration,
}

impl Visitor {
    /// # Errors
    /// What the flags cannot mean.
    pub(super) fn new(flags: &CheckFlags) -> Result<Self, Failure> {
        let mut headers = HeaderMap::new();
        let agent = concat!("holdwire/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        for header in &flags.header {
            if header.name == USER_AGENT {
                headers.remove(USER_AGENT);
            }
            headers.append(header.name.clone(), header.value.clone());
        }
        if let Some(origin) = &flags.origin {
            let value = HeaderValue::try_from(origin.to_string()).map_err(|_| {
                Failure::usage("--origin: it cannot be sent; write it in ASCII".to_owned())
            })?;
            headers.insert(ORIGIN, value);
        }
        let visitor = Self {
            headers,
            subprotocols: flags.subprotocol.clone(),
            tls: tls(flags)?,
            proxy: proxy(flags)?,
            timeout: flags.timeout,
        };
        visitor.check_request(flags.url.endpoint())?;
        Ok(visitor)
    }

    /// Whether requests carry what tells a server who asks.
    pub(super) fn has_credentials(&self, to: &Endpoint) -> bool {
        to.credentials().is_some()
            || self.headers.contains_key(COOKIE)
            || self.headers.contains_key(AUTHORIZATION)
    }

    /// Sees whether a request can be sent, before anything is.
    fn check_request(&self, to: &Endpoint) -> Result<(), Failure> {
        let mut connect = Connect::new(to.clone());
        connect.headers = self.headers.clone();
        connect.subprotocols = self.subprotocols.clone();
        match connect.start([0; 16]) {
            Ok(_) => Ok(()),
            Err(error) => Err(Failure::usage(format!(
                "{error}; leave out the flag that says so"
            ))),
        }
    }
}

fn tls(flags: &CheckFlags) -> Result<Option<TlsConnector>, Failure> {
    if flags.insecure {
        return insecure_connector().map(Some).map_err(Failure::system);
    }
    let Some(path) = &flags.cacert else {
        return Ok(None);
    };
    TlsConnector::with_roots_file(path)
        .map(Some)
        .map_err(|error| {
            let problem = with_causes(&error);
            Failure::usage(format!(
                "--cacert: {problem}; name a PEM file of certificates"
            ))
        })
}

fn proxy(flags: &CheckFlags) -> Result<Option<Endpoint>, Failure> {
    let Some(proxy) = &flags.proxy else {
        return Ok(None);
    };
    let endpoint = proxy.uri().to_string().parse();
    endpoint.map(Some).map_err(|error| {
        Failure::usage(format!(
            "--proxy: {error}; write http://[user:password@]host:port"
        ))
    })
}
