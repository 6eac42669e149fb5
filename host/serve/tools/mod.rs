//! The tools that clients are offered, one file each: what clients are told of
//! it, its arguments, and what it does.
//!
//! All of what clients are told is in the context of every conversation, so
//! each word costs. The names and the number of the tools never change during a
//! connection. A new tool is a file of its own and a line in [`offered`]; a test
//! goes through the list and checks that each definition and its arguments
//! agree.

// CONTRIBUTING.md, "To add a tool of serve".

mod arguments;
mod call_tool;
pub(super) mod catalogue;
mod execute;
mod get_tool_details;
pub(super) mod instructions;
mod list_files;
mod read_file;
pub(super) mod result;
mod schema;
mod search_tools;
mod sessions;
#[cfg(test)]
mod tests;
mod write_file;

use std::{fmt, pin::Pin, sync::Arc};

use rmcp::model::{CallToolResult, JsonObject, Tool, ToolAnnotations};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Caller, Mode, Service, client::running::Running};
use arguments::BadArguments;
use result::failure;

/// The tools that are offered.
pub(super) fn offered(mode: Mode) -> Vec<OfferedTool> {
    match mode {
        Mode::Code => vec![
            OfferedTool::new::<execute::Execute>(),
            OfferedTool::new::<search_tools::SearchTools>(),
            OfferedTool::new::<get_tool_details::GetToolDetails>(),
            OfferedTool::new::<list_files::ListFiles>(),
            OfferedTool::new::<read_file::ReadFile>(),
            OfferedTool::new::<write_file::WriteFile>(),
            OfferedTool::new::<sessions::Sessions>(),
        ],
        Mode::Tools => vec![
            OfferedTool::new::<search_tools::SearchTools>(),
            OfferedTool::new::<get_tool_details::GetToolDetails>(),
            OfferedTool::new::<call_tool::CallTool>(),
        ],
    }
}

/// One tool.
trait ServeTool {
    const NAME: &'static str;
    const DESCRIPTION: &'static str;
    /// Its runs may ask the client, so a later request may go on with one.
    const CAN_ASK: bool = false;
    /// Its description ends with the servers and their tools.
    const HAS_CATALOGUE: bool = false;

    /// Strict: a name that is not known is an error that shows the ones there
    /// are, because a model that misspells one would otherwise wonder about the
    /// result.
    type Arguments: DeserializeOwned + fmt::Debug + Send;

    fn input_schema() -> Value;
    fn output_schema() -> Value;
    fn annotations() -> ToolAnnotations;

    /// # Errors
    ///
    /// Arguments that cannot be meant. What fails otherwise is a result.
    fn run(
        call: ToolCall,
        arguments: Self::Arguments,
    ) -> impl Future<Output = Result<Outcome, BadArguments>> + Send;
}

/// Who calls a tool, and of what.
pub(super) struct ToolCall {
    pub(super) service: Arc<Service>,
    pub(super) caller: Caller,
    /// Whether the client wants to hear of progress, and so waits.
    pub(super) hears_progress: bool,
}

/// What comes of calling a tool.
pub(super) enum Outcome {
    /// The answer.
    Answer(CallToolResult),
    /// A task that goes on, and may ask the client.
    Running(Running),
}

impl From<CallToolResult> for Outcome {
    fn from(result: CallToolResult) -> Self {
        Self::Answer(result)
    }
}

/// A call of any tool.
type Calling = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// A tool as it is listed and called.
pub(super) struct OfferedTool {
    pub(super) name: &'static str,
    pub(super) can_ask: bool,
    pub(super) has_catalogue: bool,
    pub(super) definition: Tool,
    call: fn(ToolCall, Arc<JsonObject>, Option<JsonObject>) -> Calling,
    /// The arguments as the tool reads them, printed for comparison.
    #[cfg(test)]
    read: fn(&JsonObject, JsonObject) -> Result<String, String>,
    /// The same without their schema.
    #[cfg(test)]
    read_exactly: fn(JsonObject) -> Result<String, String>,
}

impl OfferedTool {
    fn new<T: ServeTool>() -> Self {
        let mut definition = Tool::new(T::NAME, T::DESCRIPTION, object(T::input_schema()));
        definition.output_schema = Some(object(T::output_schema()));
        definition.annotations = Some(T::annotations());
        Self {
            name: T::NAME,
            can_ask: T::CAN_ASK,
            has_catalogue: T::HAS_CATALOGUE,
            definition,
            call: |call, schema, arguments| {
                Box::pin(async move {
                    let read = arguments::read(T::NAME, &schema, arguments);
                    let outcome = match read {
                        Ok(arguments) => T::run(call, arguments).await,
                        Err(bad) => Err(bad),
                    };
                    outcome.unwrap_or_else(|bad| failure("bad_arguments", bad.message()).into())
                })
            },
            #[cfg(test)]
            read: |schema, arguments| {
                let read: Result<T::Arguments, _> =
                    arguments::read(T::NAME, schema, Some(arguments));
                read.map(|arguments| format!("{arguments:?}"))
                    .map_err(|error| error.message().to_owned())
            },
            #[cfg(test)]
            read_exactly: |arguments| {
                let read: Result<T::Arguments, _> = serde_json::from_value(arguments.into());
                read.map(|arguments| format!("{arguments:?}"))
                    .map_err(|error| error.to_string())
            },
        }
    }

    /// Calls the tool. Arguments that cannot be read are a result that says so:
    /// a model sees results, and corrects itself.
    pub(super) async fn call(&self, call: ToolCall, arguments: Option<JsonObject>) -> Outcome {
        let schema = Arc::clone(&self.definition.input_schema);
        (self.call)(call, schema, arguments).await
    }
}

fn object(schema: Value) -> Arc<JsonObject> {
    match schema {
        Value::Object(schema) => Arc::new(schema),
        other => unreachable!("a schema is an object, not {other}"),
    }
}
