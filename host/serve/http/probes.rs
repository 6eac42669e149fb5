//! What operators ask: is it alive, is it ready, what does it count.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE},
};
use contract::text::one_line;
use serde_json::json;

/// What the server cannot know by itself. Asked on every request for it, from
/// any thread: answers must be quick.
pub trait Operator: Send + Sync + 'static {
    /// Whether requests can be served now.
    ///
    /// # Errors
    ///
    /// What is missing, in a short text fit for strangers: `/ready` shows it
    /// to whoever asks.
    fn ready(&self) -> Result<(), String>;

    /// All metrics, in the text format of OpenMetrics.
    fn metrics(&self) -> String;

    /// A bound of the server was reached: `rate`, `requests`, `streams`,
    /// `sessions`, `connections` or `body`. Does nothing by default.
    fn limited(&self, bound: &'static str) {
        let _ = bound;
    }

    /// A request was refused because of where it comes from: `host`, `origin`
    /// or `token`. Does nothing by default.
    fn refused(&self, why: &'static str) {
        let _ = why;
    }
}

/// Longer texts are cut: a probe shows them on one line.
const MAX_REASON: usize = 500;

pub(super) fn health() -> Response<Body> {
    respond(StatusCode::OK, "text/plain; charset=utf-8", "ok\n".into())
}

pub(super) fn ready(operator: &Arc<dyn Operator>, stopping: bool) -> Response<Body> {
    let ready = if stopping {
        Err("the server is shutting down".to_owned())
    } else {
        operator.ready()
    };
    let (status, text) = match ready {
        Ok(()) => (StatusCode::OK, json!({ "ready": true })),
        Err(missing) => {
            let missing = one_line(&missing, MAX_REASON);
            (
                StatusCode::SERVICE_UNAVAILABLE,
                json!({ "ready": false, "missing": missing }),
            )
        }
    };
    respond(status, "application/json", text.to_string())
}

pub(super) fn metrics(operator: &Arc<dyn Operator>) -> Response<Body> {
    let format = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    respond(StatusCode::OK, format, operator.metrics())
}

fn respond(status: StatusCode, format: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format));
    response
}
