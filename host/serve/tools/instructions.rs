//! What a model is told before it has called anything.

use super::catalogue::MAX_TEXT;
use crate::serve::Mode;
use contract::text::one_line;

/// The instructions for a client's model, with the names of the servers as far
/// as there is room for them. How their tools are called stands where all clients
/// pass it on: with `execute`.
pub(in crate::serve) fn instructions(mode: Mode, servers: &[String]) -> String {
    let mut text = match mode {
        Mode::Code => FOR_CODE,
        Mode::Tools => FOR_TOOLS,
    }
    .to_owned();
    let mut separator = "\n\nServers: ";
    for server in servers {
        let server = one_line(server, MAX_NAME);
        let more = ", …".len();
        if text.len() + separator.len() + server.len() + more > MAX_TEXT {
            text += ", …";
            break;
        }
        text += separator;
        text += &server;
        separator = ", ";
    }
    text
}

/// Characters of the name of a server.
const MAX_NAME: usize = 60;

/// For models that write code.
const FOR_CODE: &str = "\
Write code instead of calling tools one by one: `execute` runs Python, JavaScript or TypeScript in a \
sandbox where the user's MCP servers are libraries. Only what the program prints or returns comes \
back, so filter and join data in code.

1. `search_tools` finds tools; `get_tool_details`, or /servers/NAME/TOOL.py, has a signature.
2. `execute` calls them, several at once where they do not depend on each other:

import asyncio
from servers.github import list_issues
pages = await asyncio.gather(*(list_issues(owner=\"a\", repo=r) for r in [\"b\", \"c\"]))
[i[\"title\"] for p in pages for i in p if i[\"comments\"] > 5]

The last expression is the result. A failed call raises ToolError. Open a session with `sessions` to \
keep variables and /workspace between calls. Long output is kept in a file and shown in part. \
`search_tools()` works in programs too; `emit(...)` returns images.";

/// For clients that call tools one by one.
const FOR_TOOLS: &str = "\
The tools of several MCP servers, found when they are needed: `search_tools` finds them, \
`get_tool_details` has the schema of one, `call_tool` calls it as `server.tool`.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::tokens;

    #[test]
    fn the_instructions_are_short() {
        let count = tokens::count(&instructions(Mode::Code, &[]));
        assert!(count < 300, "the instructions cost {count} tokens");
        let many: Vec<String> = (0..500).map(|n| format!("a server {n}\n")).collect();
        for mode in [Mode::Code, Mode::Tools] {
            let text = instructions(mode, &many);
            assert!(text.len() <= MAX_TEXT && text.ends_with(", …"), "{text}");
            assert!(
                text.contains("Servers: a server 0 , a server 1 ,"),
                "{text}"
            );
        }
    }
}
