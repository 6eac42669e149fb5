//! The `tools` interface as host functions: counting, then a message.

use std::time::Duration;

use crate::bindings::{tools, types};
use crate::state::State;

impl types::Host for State {}

impl tools::Host for State {
    fn start_call(
        &mut self,
        tool: String,
        arguments: String,
        form: types::AnswerForm,
    ) -> wasmtime::Result<Result<types::CallId, types::CallError>> {
        self.ledger.charge_call().map_err(wasmtime::Error::new)?;
        let started = self.coordinator.start(tool, arguments, form.into());
        Ok(started.map_err(Into::into))
    }

    fn cancel(&mut self, id: types::CallId) -> wasmtime::Result<()> {
        self.coordinator.cancel(id);
        Ok(())
    }

    async fn wait(
        &mut self,
        timeout: Option<types::Duration>,
    ) -> wasmtime::Result<Vec<types::Completion>> {
        let completions = self.completions(timeout.map(Duration::from_nanos)).await;
        Ok(completions.into_iter().map(Into::into).collect())
    }

    fn servers(&mut self) -> wasmtime::Result<Vec<types::Server>> {
        Ok(self
            .shared
            .tree
            .servers()
            .iter()
            .cloned()
            .map(Into::into)
            .collect())
    }

    async fn describe(
        &mut self,
        server: String,
        language: types::Language,
    ) -> wasmtime::Result<Result<Vec<types::Tool>, types::CallError>> {
        let tools = self.coordinator.describe(server, language.into()).await;
        Ok(tools
            .map(|tools| tools.into_iter().map(Into::into).collect())
            .map_err(Into::into))
    }

    async fn search(
        &mut self,
        query: String,
        detail: tools::Detail,
        server: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Result<String, types::CallError>> {
        let found = self
            .coordinator
            .search(query, detail.into(), server, limit)
            .await;
        Ok(found.map_err(Into::into))
    }
}
