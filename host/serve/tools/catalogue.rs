//! The servers and their tools in a few lines, for the text that every model gets
//! anyway: what is found here has not to be searched for.
//!
//! Clients cut such texts after two kilobytes, so that is the room there is. What
//! is known is used, and nobody is asked.

use ::tools::{Grants, KnownServer, Toolbox};
use contract::text::one_line;

/// Bytes of a description that clients pass on.
pub(in crate::serve) const MAX_TEXT: usize = 2_048;

/// Characters of the name of a server. Identifiers are made of them.
const MAX_NAME: usize = 60;

/// Said in place of what there is no room for.
const MORE: &str = "… more: `search_tools`\n";

/// One server, in as few words as there may be: its name, then also the names of
/// its tools, then also how these are called.
struct Line {
    text: String,
    identifier: String,
    tools: Vec<String>,
    /// Whether the names of the tools are in it.
    has_tools: bool,
}

/// The servers, those that were used most first, within so many bytes. `calls`
/// is how often a server was called.
pub(in crate::serve) fn catalogue(
    toolbox: &Toolbox,
    grants: &Grants,
    calls: impl Fn(&str) -> u64,
    room: usize,
) -> String {
    let mut servers = toolbox.known_servers(grants);
    servers.sort_by_key(|server| std::cmp::Reverse(calls(&server.name)));
    let mut lines = names(&servers, room.saturating_sub(MORE.len()));
    let is_complete = lines.len() == servers.len();
    let total = |lines: &[Line]| lines.iter().map(|line| line.text.len()).sum::<usize>();
    let room = room.saturating_sub(if is_complete { 0 } else { MORE.len() });
    // Names for all who have room, before signatures for anybody.
    for with_signatures in [false, true] {
        for index in 0..lines.len() {
            let left = room - total(&lines);
            let line = &lines[index];
            let longer = if with_signatures {
                signatures(toolbox, grants, line, left)
            } else {
                tools(line, left)
            };
            if let Some(longer) = longer {
                lines[index].text = longer;
                lines[index].has_tools = true;
            }
        }
    }
    let mut text: String = lines.into_iter().map(|line| line.text).collect();
    if !is_complete && room > 0 {
        text += MORE;
    }
    text
}

/// The servers of which there is room for the names.
fn names(servers: &[KnownServer], room: usize) -> Vec<Line> {
    let mut left = room;
    let mut lines = Vec::new();
    for server in servers {
        let identifier = one_line(&server.identifier, MAX_NAME);
        let text = match &server.tools {
            Some(tools) => format!("servers.{identifier}: {} tools\n", tools.len()),
            None => format!("servers.{identifier}\n"),
        };
        let Some(rest) = left.checked_sub(text.len()) else {
            break;
        };
        left = rest;
        lines.push(Line {
            text,
            tools: server.tools.clone().unwrap_or_default(),
            identifier,
            has_tools: false,
        });
    }
    lines
}

/// The line with the names of the tools, if it grows by no more than there is
/// room for.
fn tools(line: &Line, left: usize) -> Option<String> {
    let names: usize = line.tools.iter().map(|tool| tool.len() + 2).sum();
    if line.tools.is_empty() || names > left + line.text.len() {
        return None;
    }
    let text = format!("servers.{}: {}\n", line.identifier, line.tools.join(", "));
    (text.len() <= left + line.text.len()).then_some(text)
}

/// The same with the signatures of as many tools as there is room for.
fn signatures(toolbox: &Toolbox, grants: &Grants, line: &Line, left: usize) -> Option<String> {
    if !line.has_tools {
        return None;
    }
    let most = left + line.text.len();
    let mut longest = None;
    let mut text = format!("servers.{}:\n", line.identifier);
    for (index, tool) in line.tools.iter().enumerate() {
        let signature = toolbox.known_signature(&line.identifier, tool, grants)?;
        text += &format!("  {signature}\n");
        let rest = &line.tools[index + 1..];
        let also = match rest {
            [] => String::new(),
            rest => format!("  and {}\n", rest.join(", ")),
        };
        if text.len() > most {
            break;
        }
        if text.len() + also.len() <= most {
            longest = Some(format!("{text}{also}"));
        }
    }
    longest
}

#[cfg(test)]
mod tests {
    use ::tools::{LocalTools, ServerLimits, ServerSpec};
    use serde_json::json;

    use super::*;

    /// Servers of so many tools each, all of them listed.
    async fn toolbox(counts: &[usize]) -> Toolbox {
        let servers = counts.iter().enumerate().map(|(server, count)| {
            let tools = (0..*count).fold(LocalTools::new(), |tools, tool| {
                let schema = json!({
                    "type": "object",
                    "properties": { "city": { "type": "string" }, "days": { "type": "integer" } },
                    "required": ["city"],
                });
                let name = format!("forecast_{tool}");
                tools.tool(name, "", schema, |_| async { Ok(json!(null)) })
            });
            ServerSpec::local(format!("weather{server}"), tools)
        });
        let toolbox = Toolbox::new(servers.collect(), ServerLimits::default()).unwrap();
        toolbox.listings().await;
        for server in toolbox.servers() {
            let grants = Grants::default();
            toolbox.stubs(&server.identifier, &grants).await.unwrap();
        }
        toolbox
    }

    fn of(toolbox: &Toolbox, room: usize) -> String {
        let text = catalogue(toolbox, &Grants::default(), |_| 0, room);
        assert!(text.len() <= room, "{} bytes: {text}", text.len());
        text
    }

    #[tokio::test]
    async fn a_small_catalogue_is_there_with_all_signatures() {
        let toolbox = toolbox(&[2, 1]).await;
        assert_eq!(
            of(&toolbox, 500),
            "servers.weather0:\n  forecast_0(city: str, days?: int)\n  \
             forecast_1(city: str, days?: int)\nservers.weather1:\n  \
             forecast_0(city: str, days?: int)\n"
        );
        let used_most = |server: &str| u64::from(server == "weather1");
        let text = catalogue(&toolbox, &Grants::default(), used_most, 500);
        assert!(text.starts_with("servers.weather1"), "{text}");
    }

    #[tokio::test]
    async fn what_has_no_room_is_shorter_and_no_server_is_left_out_unsaid() {
        let large = toolbox(&[20, 3]).await;
        let text = of(&large, 400);
        for part in [
            "servers.weather0:\n  forecast_0(city: str, days?: int)\n",
            "  and forecast_",
            ", forecast_19\n",
            "servers.weather1: forecast_0, forecast_1, forecast_2\n",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let text = of(&large, 90);
        assert_eq!(
            text,
            "servers.weather0: 20 tools\n\
             servers.weather1: forecast_0, forecast_1, forecast_2\n"
        );
        let many = toolbox(&[1; 100]).await;
        let text = of(&many, 1_000);
        assert!(text.ends_with(MORE), "{text}");
        assert_eq!(of(&many, 0), "");
    }

    #[tokio::test]
    async fn a_server_that_was_never_started_is_named() {
        let tools = LocalTools::new();
        let servers = vec![ServerSpec::local("fresh", tools)];
        let toolbox = Toolbox::new(servers, ServerLimits::default()).unwrap();
        assert_eq!(of(&toolbox, 100), "servers.fresh\n");
        let denied = Grants::all_but(["fresh.*"]).unwrap();
        assert_eq!(catalogue(&toolbox, &denied, |_| 0, 100), "");
    }
}
