//! Why a request is not served, as an HTTP status and a JSON-RPC error.
//!
//! Texts are ours and fixed: nothing a stranger sent is in them, and nothing
//! of this machine.

use std::time::Duration;

use axum::{
    body::Body,
    http::{
        HeaderValue, Response, StatusCode,
        header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
    },
};
use rmcp::model::{ErrorCode, ProtocolVersion};
use serde_json::{Value, json};

use crate::serve::message::{Id, Invalid};

/// JSON-RPC leaves these to the server; the HTTP status says which it is.
const SERVER_ERROR: i32 = -32000;

/// What other servers of the protocol say of an unknown session.
const NO_SESSION: i32 = -32001;

#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    code: i32,
    message: &'static str,
    data: Option<Box<Value>>,
    id: Option<Box<Id>>,
    retry: Option<Duration>,
    allow: Option<&'static str>,
    /// The rest of the request is not wanted.
    close: bool,
}

impl Refusal {
    fn new(status: StatusCode, code: i32, message: &'static str) -> Self {
        Self {
            status,
            code,
            message,
            data: None,
            id: None,
            retry: None,
            allow: None,
            close: false,
        }
    }

    /// The request is not what HTTP allows; the connection ends with it.
    pub(super) fn bad_request(message: &'static str) -> Self {
        Self {
            close: true,
            ..Self::new(StatusCode::BAD_REQUEST, SERVER_ERROR, message)
        }
    }

    pub(super) fn not_json() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            ErrorCode::PARSE_ERROR.0,
            "the body is not JSON",
        )
    }

    /// The message is not what JSON-RPC or the protocol allows.
    pub(super) fn invalid(message: &'static str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            ErrorCode::INVALID_REQUEST.0,
            message,
        )
    }

    pub(super) fn header(message: &'static str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            ErrorCode::HEADER_MISMATCH.0,
            message,
        )
    }

    /// `requested` is short and printable, or absent.
    pub(super) fn version(requested: Option<&str>) -> Self {
        let supported: Vec<_> = ProtocolVersion::KNOWN_VERSIONS
            .iter()
            .map(ProtocolVersion::as_str)
            .collect();
        Self {
            data: Some(Box::new(
                json!({ "supported": supported, "requested": requested }),
            )),
            ..Self::new(
                StatusCode::BAD_REQUEST,
                ErrorCode::UNSUPPORTED_PROTOCOL_VERSION.0,
                "this version of the protocol is not supported",
            )
        }
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            SERVER_ERROR,
            "a valid bearer token is needed in the Authorization header",
        )
    }

    pub(super) fn foreign(message: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, SERVER_ERROR, message)
    }

    pub(super) fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            SERVER_ERROR,
            "nothing is here; the protocol is spoken at /mcp",
        )
    }

    pub(super) fn no_session() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            NO_SESSION,
            "there is no such session; initialize a new one",
        )
    }

    pub(super) fn method(allow: &'static str) -> Self {
        Self {
            allow: Some(allow),
            ..Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                SERVER_ERROR,
                "the HTTP method cannot be used here",
            )
        }
    }

    pub(super) fn not_acceptable() -> Self {
        Self::new(
            StatusCode::NOT_ACCEPTABLE,
            SERVER_ERROR,
            "the Accept header must list text/event-stream, and for POST application/json too",
        )
    }

    pub(super) fn media_type() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            SERVER_ERROR,
            "the Content-Type must be application/json",
        )
    }

    pub(super) fn too_large() -> Self {
        Self {
            close: true,
            ..Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                SERVER_ERROR,
                "the body is longer than this server accepts",
            )
        }
    }

    pub(super) fn too_slow() -> Self {
        Self {
            close: true,
            ..Self::new(
                StatusCode::REQUEST_TIMEOUT,
                SERVER_ERROR,
                "the body did not arrive in time",
            )
        }
    }

    pub(super) fn too_often(retry: Duration) -> Self {
        Self {
            retry: Some(retry),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                SERVER_ERROR,
                "too many requests; try again later",
            )
        }
    }

    pub(super) fn busy(message: &'static str) -> Self {
        Self {
            retry: Some(Duration::from_secs(1)),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, SERVER_ERROR, message)
        }
    }

    pub(super) fn stopping() -> Self {
        Self {
            close: true,
            ..Self::busy("the server is shutting down; the request was cancelled")
        }
    }

    pub(super) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            ErrorCode::INTERNAL_ERROR.0,
            "the server failed; its log says why",
        )
    }

    /// As the answer to the request with this id.
    pub(super) fn to(self, id: Option<Id>) -> Self {
        let id = id.map(Box::new);
        Self { id, ..self }
    }

    /// The error as a JSON-RPC message. Its id is left out where it could not
    /// be read, as the protocol wants it.
    pub(super) fn message(&self) -> String {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(data) = &self.data {
            error["data"] = Value::clone(data);
        }
        let mut message = json!({ "jsonrpc": "2.0", "error": error });
        if let Some(id) = &self.id {
            message["id"] = id.0.clone();
        }
        message.to_string()
    }

    pub(super) fn response(&self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.message()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(retry) = self.retry {
            let seconds = retry.as_secs_f64().ceil() as u64;
            headers.insert(RETRY_AFTER, seconds.max(1).into());
        }
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

impl From<Invalid> for Refusal {
    fn from(invalid: Invalid) -> Self {
        let status = match invalid.code {
            ErrorCode::METHOD_NOT_FOUND => StatusCode::NOT_FOUND,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::new(status, invalid.code.0, invalid.message).to(invalid.id)
    }
}
