//! A session with a Rust function as a tool: `cargo run --example embed`.

use serde_json::json;
use wasm_coordinator::{
    Engine, EngineOptions, LocalTools, Program, ServerLimits, ServerSpec, Session, SessionOptions,
    Toolbox,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Sessions run in processes of their own, which this program can be as well:
    // before anything else is done or started.
    wasm_coordinator::isolation::entry();
    run()
}

#[tokio::main(flavor = "current_thread")]
async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let shop = LocalTools::new().tool(
        "price",
        "The price of an article in cents.",
        json!({ "type": "object", "properties": { "article": { "type": "string" } }, "required": ["article"] }),
        |arguments| async move {
            match arguments["article"].as_str() {
                Some("tea") => Ok(json!(300)),
                _ => Err("there is no such article".to_owned()),
            }
        },
    );
    let tools = Toolbox::new(
        vec![ServerSpec::local("shop", shop)],
        ServerLimits::default(),
    )?;

    // An engine for the process; its cache keeps what was compiled.
    let cache = std::env::temp_dir().join("wasm-coordinator-example");
    let engine = Engine::new(EngineOptions {
        cache: Some(cache),
        ..EngineOptions::default()
    })?;

    let mut session = Session::new(&engine, tools, SessionOptions::default());
    let source = "from servers.shop import price\ntotal = await price(article='tea') * 2";
    session.run(Program::python(source)).await;
    let report = session
        .run(Program::python("print('variables stay')\ntotal"))
        .await;
    println!("{}{:?}", report.stdout, report.result);
    assert_eq!(report.result, Some(600.into()));
    Ok(())
}
