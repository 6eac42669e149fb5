//! `demo-server`: a small real MCP server inside the program, so that the
//! first steps need nothing else installed.
//!
//! It speaks over stdio like any other server and is started like any other:
//! as a process of its own, named in `mcp.json`. It reads nothing and changes
//! nothing; its table is made up, the same every time.

mod clock;
mod orders;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use rmcp::{
    ErrorData, RoleServer, ServerHandler, ServiceExt,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation,
        JsonObject, ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig,
        Tool, ToolAnnotations,
    },
    service::RequestContext,
    transport::io::stdio_pipes,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::failure::Failure;

/// Serve the demo tools over stdin and stdout, as an MCP server.
///
/// It tells the time and has a generated table of 10,000 orders. To be named
/// in `mcp.json`, not to be typed: it waits for a client on stdin and ends
/// when stdin does.
#[derive(Args)]
pub(crate) struct DemoServer {}

impl DemoServer {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Failure::host)?;
        runtime.block_on(async {
            match Demo.serve(stdio_pipes()).await {
                Ok(service) => service.waiting().await.map(drop).map_err(Failure::host),
                // Whoever started us went away before saying anything.
                Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => Ok(()),
                Err(error) => Err(Failure::host(error)),
            }
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

struct Demo;

impl ServerHandler for Demo {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new(
                "wasm-coordinator-demo",
                env!("CARGO_PKG_VERSION"),
            ))
            .with_instructions("Tells the time, and has a made-up table of 10,000 orders.")
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let answer = match request.name.as_ref() {
            "now" => read(arguments).and_then(clock::now),
            "list_orders" => read(arguments).map(orders::list),
            "get_order" => read(arguments).and_then(orders::get),
            name => {
                let message = format!("unknown tool `{}`", name.escape_debug());
                return Err(ErrorData::invalid_params(message, None));
            }
        };
        let result = match answer {
            // A summary for people; the whole of a large table a second time,
            // as text, would double what travels.
            Ok((summary, content)) => {
                let mut result = CallToolResult::success(vec![ContentBlock::text(summary)]);
                result.structured_content = Some(content);
                result
            }
            Err(message) => CallToolResult::error(vec![ContentBlock::text(message)]),
        };
        Ok(result.into())
    }
}

/// What a tool answers: a line for people and the structured content, or why
/// it cannot.
type Answer = Result<(String, Value), String>;

fn read<A: DeserializeOwned>(arguments: JsonObject) -> Result<A, String> {
    serde_json::from_value(Value::Object(arguments)).map_err(|error| error.to_string())
}

fn tools() -> Vec<Tool> {
    [
        clock::definition(),
        orders::list_definition(),
        orders::get_definition(),
    ]
    .into_iter()
    .map(|definition| {
        let mut tool = Tool::new(
            definition.name,
            definition.description,
            schema(definition.input),
        );
        tool.output_schema = Some(schema(definition.output));
        tool.annotations = Some(
            ToolAnnotations::new()
                .read_only(true)
                .idempotent(true)
                .open_world(false),
        );
        tool
    })
    .collect()
}

/// A tool as clients see it.
struct Definition {
    name: &'static str,
    description: &'static str,
    input: Value,
    output: Value,
}

fn schema(schema: Value) -> Arc<JsonObject> {
    match schema {
        Value::Object(schema) => Arc::new(schema),
        other => unreachable!("a schema is an object, not {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_fits_the_schema_it_was_announced_with() {
        for (definition, answer) in [
            (
                clock::definition(),
                read(JsonObject::new()).and_then(clock::now),
            ),
            (
                orders::list_definition(),
                read(JsonObject::new()).map(orders::list),
            ),
            (
                orders::get_definition(),
                read(serde_json::json!({ "id": 7 }).as_object().unwrap().clone())
                    .and_then(orders::get),
            ),
        ] {
            let (_, content) = answer.unwrap();
            let validator = jsonschema::validator_for(&definition.output).unwrap();
            let problem = validator.iter_errors(&content).next();
            assert!(problem.is_none(), "{}: {problem:?}", definition.name);
            assert!(jsonschema::validator_for(&definition.input).is_ok());
        }
    }

    #[test]
    fn bad_arguments_are_named() {
        let arguments = |value: Value| value.as_object().unwrap().clone();
        let list = |value| read::<orders::Filter>(arguments(value)).err().unwrap();
        assert_eq!(
            list(serde_json::json!({ "state": "paid" })),
            "unknown field `state`, expected one of `status`, `country`, `customer`, `min_amount`, `limit`, `offset`"
        );
        assert_eq!(
            list(serde_json::json!({ "status": "lost" })),
            "unknown variant `lost`, expected one of `paid`, `shipped`, `delivered`, `returned`, `cancelled`"
        );
    }
}
