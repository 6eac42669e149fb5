//! What a person at the terminal is told of servers while a program runs.

use wasm_coordinator::{ServerEvent, Toolbox};

use super::terminal::Message;

/// The toolbox, whose servers' troubles are said on stderr.
pub(crate) fn watched(tools: Toolbox) -> Toolbox {
    tools.watched(std::sync::Arc::new(|event: &ServerEvent<'_>| {
        if let Some(message) = message(event) {
            message.print();
        }
    }))
}

fn message(event: &ServerEvent<'_>) -> Option<Message> {
    Some(match event {
        ServerEvent::Starting {
            server,
            command,
            downloads,
            so_far,
        } => {
            let seconds = so_far.as_secs();
            let why = if *downloads {
                format!("; `{command}` may have to download it first")
            } else {
                String::new()
            };
            Message::note(format!(
                "server `{server}` is starting, {seconds} s so far{why}"
            ))
        }
        ServerEvent::Failed { server, cause } => {
            Message::warning(format!("server `{server}`: {cause}"))
        }
        ServerEvent::Lost { server, cause } => {
            Message::warning(format!("server `{server}` is gone: {cause}"))
        }
        _ => return None,
    })
}
