//! The flags that say which tools may be called.

use clap::Args;
use wasm_coordinator::config::Tools;

#[derive(Args)]
pub(crate) struct GrantFlags {
    /// Allow only tools that match, such as `github.*`, without asking; may be repeated
    #[arg(long, value_name = "PATTERN")]
    allow_tool: Vec<String>,
    /// Never allow tools that match, even if --allow-tool allows them; may be repeated
    #[arg(long, value_name = "PATTERN")]
    deny_tool: Vec<String>,
    /// Call tools that match without asking first, and change nothing else; may be repeated
    #[arg(long, value_name = "PATTERN")]
    trust_tool: Vec<String>,
}

impl GrantFlags {
    /// Replaces what the configuration allows, adds to what it denies and
    /// trusts.
    pub(crate) fn overlay(&self, tools: &mut Tools) {
        if !self.allow_tool.is_empty() {
            tools.allow = Some(self.allow_tool.clone());
        }
        tools.deny.extend(self.deny_tool.iter().cloned());
        tools.trust.extend(self.trust_tool.iter().cloned());
    }
}
