//! MCP over Streamable HTTP: the client, its restrictions, and what its errors
//! mean for a call.
//!
//! Nothing of the environment (proxies, `.netrc`) changes where a request
//! goes, and no answer does: a redirect to another origin ends the request,
//! because headers with credentials would follow it.

use std::{collections::HashMap, error::Error, sync::Arc, time::Duration};

use reqwest::{
    StatusCode, Url,
    header::{HeaderName, HeaderValue},
    redirect::Policy,
};
use rmcp::transport::{
    StreamableHttpClientTransport,
    common::client_side_sse::ExponentialBackoff,
    streamable_http_client::{
        AuthRequiredError, InsufficientScopeError, StreamableHttpClientTransportConfig,
        StreamableHttpError,
    },
};

use super::{Fault, FaultKind, Redactor, http_client::Client, spec::Http, stdio::Signals};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_REDIRECTS: usize = 5;

/// Attempts to pick up an interrupted event stream again. No call is repeated
/// by that; the deadline of the call wins anyway.
const MAX_RESUMPTIONS: usize = 5;

/// Headers that belong to the protocol or to the connection.
const RESERVED: &[&str] = &[
    "accept",
    "connection",
    "content-length",
    "content-type",
    "host",
    "last-event-id",
    "mcp-protocol-version",
    "mcp-session-id",
    "transfer-encoding",
];

/// A checked endpoint.
#[derive(Clone)]
pub(super) struct Endpoint {
    client: reqwest::Client,
    /// Bytes of one message.
    longest: usize,
    config: StreamableHttpClientTransportConfig,
}

impl Endpoint {
    /// # Errors
    ///
    /// What is wrong with the address or a header, without their values.
    pub(super) fn new(spec: &Http, in_flight: usize, longest: usize) -> Result<Self, String> {
        let url =
            Url::parse(&spec.url).map_err(|error| format!("its URL is not valid: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("its URL is neither `http://` nor `https://`".to_owned());
        }
        let headers = spec.headers.iter().map(|(name, value)| {
            let header = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| format!("`{}` is not the name of a header", name.escape_debug()))?;
            if RESERVED.contains(&header.as_str()) {
                return Err(format!("the header `{header}` is set by the protocol"));
            }
            let mut value = HeaderValue::from_str(value)
                .map_err(|_| format!("the value of its header `{header}` is not valid"))?;
            value.set_sensitive(true);
            Ok((header, value))
        });
        let headers: HashMap<_, _> = headers.collect::<Result<_, String>>()?;
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(same_origin())
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .build()
            .map_err(|error| format!("no HTTP client could be made: {}", chain(&error)))?;
        let mut resume = ExponentialBackoff::default();
        resume.max_times = Some(MAX_RESUMPTIONS);
        resume.max_delay = Some(Duration::from_secs(30));
        let mut config = StreamableHttpClientTransportConfig::with_uri(url.as_str())
            .custom_headers(headers)
            .max_concurrent_requests(in_flight);
        config.retry_config = Arc::new(resume);
        Ok(Self {
            client,
            longest,
            config,
        })
    }

    pub(super) fn transport(
        &self,
        signals: &Arc<Signals>,
        redactor: &Arc<Redactor>,
    ) -> StreamableHttpClientTransport<Client> {
        let client = Client {
            http: self.client.clone(),
            longest: self.longest,
            signals: Arc::clone(signals),
            redactor: Arc::clone(redactor),
        };
        StreamableHttpClientTransport::with_client(client, self.config.clone())
    }
}

/// Follows what keeps method, body and origin.
fn same_origin() -> Policy {
    Policy::custom(|attempt| {
        let keeps_body = matches!(
            attempt.status(),
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
        );
        let first = attempt.previous().first();
        let same_origin = first.is_some_and(|first| first.origin() == attempt.url().origin());
        if keeps_body && same_origin && attempt.previous().len() <= MAX_REDIRECTS {
            attempt.follow()
        } else {
            attempt.stop()
        }
    })
}

/// What an error of the transport means for the request that met it.
pub(super) fn fault(error: &(dyn Error + 'static)) -> Fault {
    let detail = chain(error);
    let (kind, message) = meaning(error);
    Fault::new(kind, message).because(detail)
}

/// What is said when nothing better is known.
pub(super) const LOST: &str = "the connection to the server was lost";

fn meaning(error: &(dyn Error + 'static)) -> (FaultKind, String) {
    for cause in causes(error) {
        if cause.is::<AuthRequiredError>() || cause.is::<InsufficientScopeError>() {
            return refused("the server refuses our credentials");
        }
        match cause.downcast_ref::<StreamableHttpError<reqwest::Error>>() {
            Some(StreamableHttpError::Client(error)) => {
                if error.is_connect() || error.is_builder() {
                    return refused("the server cannot be reached");
                }
                if let Some(code) = error.status() {
                    return status(code.as_u16());
                }
            }
            Some(StreamableHttpError::UnexpectedServerResponse(text)) => {
                // `rmcp` keeps the status of other failures in the text only.
                let said = text.strip_prefix("HTTP ");
                let code = said.and_then(|said| said.get(..3)?.parse().ok());
                if let (Some(said), Some(code)) = (said, code) {
                    return status_with(code, said);
                }
            }
            // Transparent, so that it is no cause of its own.
            Some(StreamableHttpError::HttpStatus(error)) => return status(error.status),
            Some(StreamableHttpError::SessionExpired) => {
                return refused("the server has forgotten our session");
            }
            Some(StreamableHttpError::ResponseBodyTooLarge { max_size }) => {
                let message = format!("the server's answer {}", super::stdio::too_long(*max_size));
                return (FaultKind::UnusableAnswer, message);
            }
            _ => {}
        }
    }
    (FaultKind::OutcomeUnknown, LOST.to_owned())
}

fn refused(message: &str) -> (FaultKind, String) {
    (FaultKind::Unavailable, message.to_owned())
}

/// A status, with what follows its name in the text of the error: what the
/// server says about it.
fn status_with(code: u16, said: &str) -> (FaultKind, String) {
    let (kind, message) = status(code);
    match said.find([',', ':']) {
        Some(at) => (kind, format!("{message}{}", &said[at..])),
        None => (kind, message),
    }
}

/// Client errors and 503 say that the request was not acted on.
fn status(code: u16) -> (FaultKind, String) {
    let kind = match code {
        400..=499 | 503 => FaultKind::Unavailable,
        _ => FaultKind::OutcomeUnknown,
    };
    let message = match code {
        401 | 403 => format!("the server refuses our credentials (HTTP {code})"),
        300..=399 => format!("the server sends us somewhere else (HTTP {code})"),
        _ => format!("the server answered with HTTP {code}"),
    };
    (kind, message)
}

/// An error with its causes in one line, without addresses: a query may hold
/// a secret.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    for cause in causes(error) {
        // `rmcp` does not name this one as a cause.
        match cause.downcast_ref::<StreamableHttpError<reqwest::Error>>() {
            Some(StreamableHttpError::Client(client)) => texts.extend(causes(client).map(plain)),
            _ => texts.push(plain(cause)),
        }
    }
    texts.dedup_by(|next, text| text.contains(next.as_str()));
    texts.join(": ")
}

/// The text of one error. Only the client's own errors show the address.
fn plain(error: &(dyn Error + 'static)) -> String {
    let text = error.to_string();
    match text.find(" for url (") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error: &&'e (dyn Error + 'static)| {
        error.source()
    })
}
