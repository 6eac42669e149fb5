//! Where a request may come from: the `Host` it names and the page behind it.
//!
//! A page of anyone's can make a browser send requests to a loopback address,
//! under a name of the page's own that it lets point there. Such a request is
//! told by the name in `Host`, and by `Origin`. Both are checked before
//! anything else looks at the request.

use std::net::{IpAddr, SocketAddr};

use axum::http::{
    HeaderMap, HeaderName, HeaderValue, Method, Uri,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE},
    uri::Authority,
};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::{options::Options, refusal::Refusal};

/// How long a browser may remember what it was told about an origin.
const PREFLIGHT_AGE: std::time::Duration = std::time::Duration::from_secs(600);

pub(super) struct Access {
    hosts: Vec<(String, Option<u16>)>,
    origins: Vec<HeaderValue>,
}

impl Access {
    /// # Errors
    ///
    /// A name that is none, or an origin no browser would send so.
    pub(super) fn new(options: &Options) -> std::io::Result<Self> {
        let invalid = |text| std::io::Error::new(std::io::ErrorKind::InvalidInput, text);
        let mut hosts = Vec::new();
        for host in &options.hosts {
            let name = name(host).ok_or_else(|| {
                invalid(format!(
                    "`{host}` is no host\nhint: write `name` or `name:port`"
                ))
            })?;
            hosts.push(name);
        }
        let mut origins = Vec::new();
        for origin in &options.origins {
            let value = HeaderValue::from_str(origin)
                .ok()
                .filter(|_| is_origin(origin));
            origins.push(value.ok_or_else(|| {
                invalid(format!(
                    "`{origin}` is no origin\nhint: write it as browsers send it, in lower case \
                     and without a path: `https://app.example` or `http://localhost:5173`"
                ))
            })?);
        }
        Ok(Self { hosts, origins })
    }

    /// Whether the request names this server, which was reached at `local`.
    pub(super) fn host(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        local: SocketAddr,
    ) -> Result<(), Refusal> {
        // A proxy's form of a request. It would name a second host.
        if uri.authority().is_some() {
            return Err(Refusal::bad_request(
                "the target of the request must be a path",
            ));
        }
        let mut values = headers.get_all(HOST).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(Refusal::bad_request(
                "the request must have one Host header",
            ));
        };
        let (host, port) = value
            .to_str()
            .ok()
            .and_then(name)
            .ok_or_else(|| Refusal::bad_request("the Host header is malformed"))?;
        let ours = match host.parse::<IpAddr>() {
            Ok(ip) => {
                let ip = ip.to_canonical();
                ip.is_loopback()
                    || (ip == local.ip().to_canonical() && port.unwrap_or(80) == local.port())
            }
            Err(_) => host == "localhost",
        };
        let configured = || {
            self.hosts
                .iter()
                .any(|(name, only)| *name == host && (only.is_none() || *only == port))
        };
        if ours || configured() {
            Ok(())
        } else {
            Err(Refusal::foreign(
                "the Host header names another server; whoever runs this one can add the name to \
                 those it answers to",
            ))
        }
    }

    /// Whether the page that sent the request, if it was one, is known.
    pub(super) fn origin(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        if headers
            .get_all(ORIGIN)
            .iter()
            .all(|origin| self.origins.contains(origin))
        {
            Ok(())
        } else {
            Err(Refusal::foreign(
                "web pages of this origin may not call; whoever runs this server can allow the \
                 origin",
            ))
        }
    }

    /// Tells browsers what pages of the known origins may send and read.
    pub(super) fn cors(&self) -> CorsLayer {
        let header = HeaderName::from_static;
        CorsLayer::new()
            .allow_origin(AllowOrigin::list(self.origins.iter().cloned()))
            .allow_methods([Method::GET, Method::POST, Method::DELETE])
            .allow_headers([
                ACCEPT,
                AUTHORIZATION,
                CONTENT_TYPE,
                header("last-event-id"),
                header("mcp-method"),
                header("mcp-name"),
                header("mcp-protocol-version"),
                header("mcp-session-id"),
                header("traceparent"),
            ])
            .expose_headers([header("mcp-session-id"), RETRY_AFTER, WWW_AUTHENTICATE])
            .max_age(PREFLIGHT_AGE)
    }
}

/// A host in lower case, without the brackets of an address, and its port.
fn name(text: &str) -> Option<(String, Option<u16>)> {
    let authority: Authority = text.parse().ok()?;
    let rest = text.strip_prefix(authority.host())?;
    let port = match rest.strip_prefix(':') {
        Some(port) => Some(port.parse().ok()?),
        // What is left is a user's name and an `@`, or worse.
        None if !rest.is_empty() => return None,
        None => None,
    };
    let host = authority.host().to_ascii_lowercase();
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    Some((bare.unwrap_or(&host).to_owned(), port))
}

/// Whether a browser could send this text: scheme, host, and a port that is
/// not the scheme's own.
fn is_origin(text: &str) -> bool {
    let default = match text.split_once("://") {
        Some(("http", _)) => 80,
        Some(("https", _)) => 443,
        _ => return false,
    };
    let authority = text
        .split_once("://")
        .map_or("", |(_, authority)| authority);
    text == text.to_ascii_lowercase()
        && name(authority).is_some_and(|(_, port)| port != Some(default))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(hosts: &[&str], origins: &[&str]) -> std::io::Result<Access> {
        Access::new(&Options {
            hosts: hosts.iter().map(ToString::to_string).collect(),
            origins: origins.iter().map(ToString::to_string).collect(),
            ..Options::default()
        })
    }

    fn host(access: &Access, value: &str) -> bool {
        let local = "192.0.2.7:8080".parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.append(HOST, value.parse().unwrap());
        access
            .host(&Uri::from_static("/mcp"), &headers, local)
            .is_ok()
    }

    #[test]
    fn a_host_is_ours_or_configured() {
        let access = access(&["coordinator.example", "proxy.example:8443"], &[]).unwrap();
        for ours in [
            "localhost",
            "LOCALHOST:1",
            "127.0.0.1:8080",
            "127.8.8.8",
            "[::1]:99",
            "[::ffff:127.0.0.1]",
            "192.0.2.7:8080",
            "coordinator.example",
            "Coordinator.Example:9",
            "proxy.example:8443",
        ] {
            assert!(host(&access, ours), "{ours}");
        }
        for foreign in [
            "evil.example",
            "localhost.evil.example",
            "evil.example#localhost",
            "localhost@evil.example",
            "192.0.2.7:8081",
            "192.0.2.7",
            "192.0.2.8:8080",
            "proxy.example",
            "proxy.example:443",
            "coordinator.example.evil",
            "",
            "localhost:",
            "localhost:x",
            "[::2]",
            "0.0.0.0:8080",
        ] {
            assert!(!host(&access, foreign), "{foreign}");
        }
    }

    #[test]
    fn an_origin_is_compared_byte_by_byte() {
        let access = access(&[], &["https://app.example", "http://localhost:5173"]).unwrap();
        let origin = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(ORIGIN, value.parse().unwrap());
            }
            access.origin(&headers).is_ok()
        };
        for known in [
            &[][..],
            &["https://app.example"],
            &["http://localhost:5173"],
        ] {
            assert!(origin(known), "{known:?}");
        }
        for foreign in [
            &["null"][..],
            &[""],
            &["https://APP.example"],
            &["https://app.example.evil"],
            &["https://app.example:443"],
            &["http://app.example"],
            &["https://app.example/"],
            &["http://localhost:5174"],
            &["http://localhost"],
            &["https://evil-app.example"],
            &["https://app.example", "https://evil.example"],
        ] {
            assert!(!origin(foreign), "{foreign:?}");
        }
    }

    #[test]
    fn what_no_browser_sends_is_no_origin() {
        for bad in [
            "*",
            "null",
            "app.example",
            "https://app.example/",
            "https://APP.example",
            "https://app.example:443",
            "ftp://app.example",
            "https://",
            "https://*.app.example/x",
        ] {
            assert!(access(&[], &[bad]).is_err(), "{bad}");
        }
        for bad in ["", "a b", "user@host", "host:port"] {
            assert!(access(&[bad], &[]).is_err(), "{bad}");
        }
    }
}
