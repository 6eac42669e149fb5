//! Rust functions as the tools of a server.
//!
//! An embedder registers them; programs cannot tell them from the tools of an
//! MCP server. They run inside the task that drives the program, without a
//! thread or a message in between, so they must not block.

use std::{
    collections::HashMap, fmt, future::Future, panic::AssertUnwindSafe, pin::Pin, sync::Arc,
};

use futures_util::FutureExt as _;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    Fault, FaultKind,
    answer::Answer,
    listing::{Definition, Listing},
};

type Handler =
    Box<dyn Fn(Value) -> Pin<Box<dyn Future<Output = Result<Value, String>> + Send>> + Send + Sync>;

/// Tools that are functions of this process.
///
/// # Examples
///
/// With types, from which the schemas are made:
///
/// ```
/// use wasm_coordinator_tools::LocalTools;
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Price {
///     /// The article, by its name.
///     article: String,
/// }
///
/// let shop = LocalTools::new().typed(
///     "price",
///     "The price of an article in cents.",
///     |price: Price| async move { Ok::<_, String>(price.article.len() * 100) },
/// );
/// ```
///
/// With a schema that is known at run time only:
///
/// ```
/// use serde_json::json;
/// use wasm_coordinator_tools::LocalTools;
///
/// let tools = LocalTools::new().tool(
///     "add",
///     "Adds two numbers",
///     json!({
///         "type": "object",
///         "properties": { "a": { "type": "number" }, "b": { "type": "number" } },
///         "required": ["a", "b"],
///     }),
///     |arguments| async move {
///         let sum = arguments["a"].as_f64().unwrap_or(0.0) + arguments["b"].as_f64().unwrap_or(0.0);
///         Ok(sum.into())
///     },
/// );
/// ```
#[derive(Default)]
pub struct LocalTools {
    listing: Listing,
    handlers: HashMap<String, Handler>,
}

impl LocalTools {
    /// No tools yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a tool. A second one of the same name replaces the first.
    ///
    /// The arguments have been checked against `input_schema` when the handler
    /// gets them. Its error is text for the program: no secrets, no paths.
    pub fn tool<F>(
        mut self,
        name: impl Into<String>,
        description: impl Into<String>,
        input_schema: Value,
        handler: impl Fn(Value) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Value, String>> + Send + 'static,
    {
        let definition = Definition {
            title: String::new(),
            name: name.into(),
            description: description.into(),
            input_schema: Arc::new(input_schema),
            output_schema: None,
            is_destructive: false,
        };
        self.add(
            definition,
            Box::new(move |arguments| Box::pin(handler(arguments))),
        );
        self
    }

    /// Adds a tool that is a function of Rust types. A second one of the same
    /// name replaces the first.
    ///
    /// The schemas of the arguments and of the result are made from the types by
    /// `schemars` 1, whose derive macro the types need;
    /// comments on fields become their descriptions. Arguments are a struct
    /// with named fields, or `()` for none. The result may be anything: its
    /// schema wraps it in `{"result": …}`, because the protocol wants objects,
    /// and the program gets the plain value. The error is text for the program:
    /// no secrets, no paths.
    pub fn typed<A, R, E, F>(
        mut self,
        name: impl Into<String>,
        description: impl Into<String>,
        handler: impl Fn(A) -> F + Send + Sync + 'static,
    ) -> Self
    where
        A: DeserializeOwned + JsonSchema,
        R: Serialize + JsonSchema,
        E: fmt::Display,
        F: Future<Output = Result<R, E>> + Send + 'static,
    {
        let (input_schema, takes_none) = input_schema::<A>();
        let definition = Definition {
            title: String::new(),
            name: name.into(),
            description: description.into(),
            input_schema: Arc::new(input_schema),
            output_schema: Some(Arc::new(output_schema::<R>())),
            is_destructive: false,
        };
        let handler: Handler = Box::new(move |arguments| {
            let arguments = if takes_none { Value::Null } else { arguments };
            // A type may want more than its schema says.
            match serde_json::from_value(arguments) {
                Ok(arguments) => {
                    let result = handler(arguments);
                    Box::pin(async move {
                        let result = result.await.map_err(|error| error.to_string())?;
                        serde_json::to_value(result)
                            .map_err(|error| format!("its result is not JSON: {error}"))
                    })
                }
                Err(error) => {
                    let message = format!("the arguments do not fit: {error}");
                    Box::pin(std::future::ready(Err(message)))
                }
            }
        });
        self.add(definition, handler);
        self
    }

    fn add(&mut self, definition: Definition, handler: Handler) {
        let name = &definition.name;
        self.listing.tools.retain(|tool| tool.name != *name);
        self.handlers.insert(name.clone(), handler);
        self.listing.tools.push(definition);
    }

    pub(super) fn listing(&self) -> Arc<Listing> {
        Arc::new(self.listing.clone())
    }

    pub(super) async fn call(&self, tool: &str, arguments: Value) -> Result<Answer, Fault> {
        let Some(handler) = self.handlers.get(tool) else {
            return Err(Fault::new(FaultKind::Failed, "there is no such function"));
        };
        // Someone else's code: its panic ends the call, not the host.
        let result = AssertUnwindSafe(async { handler(arguments).await })
            .catch_unwind()
            .await;
        match result {
            Ok(Ok(value)) => Ok(Answer::Value(value)),
            Ok(Err(message)) => Err(Fault::new(FaultKind::Failed, message)),
            Err(_) => Err(Fault::new(FaultKind::Failed, "the tool panicked")),
        }
    }
}

/// The schema of arguments, and whether there are none.
fn input_schema<A: JsonSchema>() -> (Value, bool) {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let schema = generator.into_root_schema_for::<A>().to_value();
    if schema["type"] == "null" {
        return (json!({ "type": "object" }), true);
    }
    (schema, false)
}

/// The schema of a result, wrapped as the protocol wants it.
fn output_schema<R: JsonSchema>() -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator();
    let result = generator.subschema_for::<R>().to_value();
    let mut schema = json!({
        "type": "object",
        "properties": { "result": result },
        "required": ["result"],
        "x-fastmcp-wrap-result": true,
    });
    let definitions = generator.take_definitions(true);
    if !definitions.is_empty() {
        schema["$defs"] = Value::Object(definitions);
    }
    schema
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::{Grants, ServerLimits, ServerSpec, Toolbox};

    #[derive(Deserialize, JsonSchema)]
    struct Order {
        /// What is ordered.
        article: String,
        #[serde(default)]
        count: Option<u32>,
    }

    /// It has a result of its own, which must not be taken for a wrapper.
    #[derive(Serialize, JsonSchema)]
    struct Placed {
        result: Vec<Line>,
    }

    #[derive(Serialize, JsonSchema)]
    struct Line {
        article: String,
        count: u32,
    }

    fn shop() -> Toolbox {
        let tools = LocalTools::new()
            .typed("order", "Orders an article.", |order: Order| async move {
                let Order { article, count } = order;
                if article == "nothing" {
                    return Err("there is nothing of that");
                }
                let count = count.unwrap_or(1);
                Ok(Placed {
                    result: vec![Line { article, count }],
                })
            })
            .typed("count", "", |(): ()| async { Ok::<_, String>(7) });
        Toolbox::new(
            vec![ServerSpec::local("shop", tools)],
            ServerLimits::default(),
        )
        .unwrap()
    }

    #[tokio::test]
    async fn a_typed_tool_takes_and_gives_what_its_types_say() {
        let shop = shop();
        let call = async |tool: &str, arguments: &str| {
            let result = shop.call(&Grants::default(), tool, arguments).await;
            result.map_err(|error| error.message)
        };
        let placed = call("shop.order", r#"{"article": "tea", "count": 2}"#).await;
        let expected = r#"{"result":[{"article":"tea","count":2}]}"#;
        assert_eq!(placed.as_deref(), Ok(expected));
        assert_eq!(call("shop.count", "{}").await.as_deref(), Ok("7"));
        let error = call("shop.order", r#"{"article": "nothing"}"#).await;
        assert_eq!(error.unwrap_err(), "there is nothing of that");
        let error = call("shop.order", r#"{"article": 7}"#).await.unwrap_err();
        assert!(error.contains("`article` must be string"), "{error}");
        let error = call("shop.order", r#"{"article": "tea", "count": -1}"#).await;
        assert!(error.unwrap_err().contains("`count`"));
    }

    #[tokio::test]
    async fn stubs_show_the_types_and_not_their_wrapper() {
        let page = shop().tool("shop.order", &Grants::default()).await.unwrap();
        let typescript = std::str::from_utf8(&page.typescript).unwrap();
        for expected in ["article: string", "What is ordered.", "result: Line[]"] {
            assert!(typescript.contains(expected), "{typescript}");
        }
        let page = shop().tool("shop.count", &Grants::default()).await.unwrap();
        let python = std::str::from_utf8(&page.python).unwrap();
        assert!(python.contains("-> int"), "{python}");
    }
}
