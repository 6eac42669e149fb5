//! The contract of `wit/sandbox.wit` in Rust, and its conversion to the plain
//! types that the two sides share.

// CONTRIBUTING.md, "To add a guest language".

use contract::program::Language;
use contract::{message, outcome};

mod generated {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "wasm-coordinator:sandbox/guest",
        imports: {
            "wasm-coordinator:sandbox/tools.start-call": trappable,
            "wasm-coordinator:sandbox/tools.cancel": trappable,
            "wasm-coordinator:sandbox/tools.servers": trappable,
            "wasm-coordinator:sandbox/output.emit": trappable,
            default: async | trappable,
        },
        exports: { default: async },
    });
}

pub(crate) use generated::wasm_coordinator::sandbox::{output, tools, types};
pub(crate) use generated::{Guest, GuestPre};

impl From<message::Server> for types::Server {
    fn from(server: message::Server) -> Self {
        Self {
            name: server.name,
            identifier: server.identifier,
        }
    }
}

impl From<message::Tool> for types::Tool {
    fn from(tool: message::Tool) -> Self {
        Self {
            name: tool.name,
            identifier: tool.identifier,
            description: tool.description,
            parameters: tool.parameters.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<message::Parameter> for types::Parameter {
    fn from(parameter: message::Parameter) -> Self {
        Self {
            name: parameter.name,
            identifier: parameter.identifier,
            required: parameter.required,
        }
    }
}

impl From<Language> for types::Language {
    fn from(language: Language) -> Self {
        match language {
            Language::Python => Self::Python,
            Language::JavaScript => Self::Javascript,
            Language::TypeScript => Self::Typescript,
        }
    }
}

impl From<types::Language> for Language {
    fn from(language: types::Language) -> Self {
        match language {
            types::Language::Python => Self::Python,
            types::Language::Javascript => Self::JavaScript,
            types::Language::Typescript => Self::TypeScript,
        }
    }
}

impl From<tools::Detail> for message::Detail {
    fn from(detail: tools::Detail) -> Self {
        match detail {
            tools::Detail::Brief => Self::Brief,
            tools::Detail::Detailed => Self::Detailed,
            tools::Detail::Full => Self::Full,
        }
    }
}

impl From<types::AnswerForm> for message::AnswerForm {
    fn from(form: types::AnswerForm) -> Self {
        match form {
            types::AnswerForm::Value => Self::Value,
            types::AnswerForm::Whole => Self::Whole,
        }
    }
}

impl From<message::CallErrorKind> for types::CallErrorKind {
    fn from(kind: message::CallErrorKind) -> Self {
        use message::CallErrorKind as Kind;
        match kind {
            Kind::Failed => Self::Failed,
            Kind::InvalidArguments(parameters) => Self::InvalidArguments(parameters),
            Kind::UnknownTool(nearest) => Self::UnknownTool(nearest),
            Kind::Denied => Self::Denied,
            Kind::Unavailable => Self::Unavailable,
            Kind::TimedOut => Self::TimedOut,
            Kind::OutcomeUnknown => Self::OutcomeUnknown,
            Kind::Cancelled => Self::Cancelled,
            Kind::Limit => Self::Limit,
            Kind::UnusableAnswer => Self::UnusableAnswer,
        }
    }
}

impl From<message::CallError> for types::CallError {
    fn from(error: message::CallError) -> Self {
        let said = error.said.map_or_else(Default::default, |said| *said);
        Self {
            kind: error.kind.into(),
            server: error.server,
            tool: error.tool,
            message: error.message,
            code: said.code,
            data: said.data,
        }
    }
}

impl From<message::Completion> for types::Completion {
    fn from(completion: message::Completion) -> Self {
        Self {
            id: completion.id,
            result: completion.result.map_err(Into::into),
        }
    }
}

impl From<types::Value> for outcome::Value {
    fn from(value: types::Value) -> Self {
        match value {
            types::Value::Nothing => Self::Nothing,
            types::Value::Json(text) => Self::Json(text),
            types::Value::Text(text) => Self::Text(text),
        }
    }
}

impl From<types::Exception> for outcome::Exception {
    fn from(exception: types::Exception) -> Self {
        Self {
            kind: exception.kind,
            message: exception.message,
            traceback: exception.traceback,
            position: exception.position.map(|position| outcome::Position {
                file: position.file,
                line: position.line,
                column: position.column,
            }),
        }
    }
}
