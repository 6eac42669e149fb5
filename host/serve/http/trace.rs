//! What the log says of a request, and the id it is logged under.

use std::{
    fmt,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use axum::http::{HeaderMap, Method, StatusCode, request::Parts};
use contract::caller::Caller;
use rmcp::model::Extensions;

use super::connections::Busy;

/// Names everything that was done for one request, in the log and beyond it.
///
/// It is the caller's own, from a valid W3C `traceparent` header, or random.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(u128);

impl TraceId {
    /// A new one. Unique, but not a secret.
    pub fn random() -> Self {
        let half = || u128::from(RandomState::new().build_hasher().finish());
        Self(half() << 64 | half())
    }

    /// That of the request which carried these extensions, if it came over
    /// HTTP.
    pub fn of(extensions: &Extensions) -> Option<Self> {
        let parts = extensions.get::<Parts>()?;
        parts.extensions.get::<Self>().copied()
    }

    pub(super) fn from_headers(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all("traceparent").iter();
        match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().ok().and_then(parse),
            _ => None,
        }
        .unwrap_or_else(Self::random)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceId({self})")
    }
}

/// `00-<trace>-<parent>-<flags>`, in lower case hexadecimal digits. A later
/// version may have more fields.
fn parse(text: &str) -> Option<TraceId> {
    let mut fields = text.split('-');
    let mut field = |digits: usize| {
        let field = fields.next()?;
        let valid = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (field.len() == digits && field.bytes().all(valid)).then_some(field)
    };
    let version = field(2)?;
    let trace = u128::from_str_radix(field(32)?, 16).ok()?;
    let parent = u64::from_str_radix(field(16)?, 16).ok()?;
    field(2)?;
    let ended = fields.next().is_none();
    (trace != 0 && parent != 0 && version != "ff" && (ended || version != "00"))
        .then_some(TraceId(trace))
}

/// One line of the log for one request, written when its answer has ended,
/// whichever way.
///
/// Held by the body of the answer, so that the time is that of all of it.
pub(super) struct Record {
    pub(super) trace: TraceId,
    started: Instant,
    method: &'static str,
    path: &'static str,
    status: Option<StatusCode>,
    who: Who,
    /// The connection is not idle meanwhile.
    _busy: Option<Busy>,
}

/// Filled in when the caller is known.
#[derive(Clone, Default)]
pub(super) struct Who(Arc<Mutex<Option<Caller>>>);

impl Who {
    pub(super) fn is(&self, caller: Caller) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(caller);
    }
}

impl Record {
    pub(super) fn new(
        trace: TraceId,
        method: &Method,
        path: &str,
        who: Who,
        busy: Option<Busy>,
    ) -> Self {
        Self {
            trace,
            started: Instant::now(),
            // Strangers' words stay out of the log.
            method: ["GET", "POST", "DELETE", "OPTIONS", "HEAD"]
                .into_iter()
                .find(|known| *known == method.as_str())
                .unwrap_or("other"),
            path: ["/mcp", "/health", "/ready", "/metrics"]
                .into_iter()
                .find(|known| *known == path)
                .unwrap_or("other"),
            status: None,
            who,
            _busy: busy,
        }
    }

    pub(super) fn answered(&mut self, status: StatusCode) {
        self.status = Some(status);
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let caller = *self.who.0.lock().unwrap_or_else(PoisonError::into_inner);
        let caller = caller.map_or_else(|| "-".to_owned(), |caller| caller.to_string());
        // 499: the client went away before there was an answer.
        let status = self.status.map_or(499, |status| status.as_u16());
        let ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (method, path, trace) = (self.method, self.path, self.trace);
        match path {
            "/health" | "/ready" | "/metrics" => {
                tracing::debug!(method, path, status, ms, caller, %trace, "request");
            }
            _ => tracing::info!(method, path, status, ms, caller, %trace, "request"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_the_callers_when_it_is_valid() {
        let valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let id = parse(valid).unwrap();
        assert_eq!(id.to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert!(parse(&valid.replacen("00", "cc", 1)).is_some());
        assert!(parse(&(valid.replacen("00", "cc", 1) + "-more")).is_some());
        for invalid in [
            "",
            "00",
            &valid.to_uppercase(),
            &valid.replacen("00", "ff", 1),
            &(valid.to_owned() + "-more"),
            &valid[..54],
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(parse(invalid), None, "{invalid}");
        }
    }

    #[test]
    fn two_headers_are_none() {
        let mut headers = HeaderMap::new();
        let value = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        headers.append("traceparent", value.parse().unwrap());
        let one = TraceId::from_headers(&headers);
        assert_eq!(one, parse(value).unwrap());
        headers.append("traceparent", value.parse().unwrap());
        assert_ne!(TraceId::from_headers(&headers), one);
    }
}
