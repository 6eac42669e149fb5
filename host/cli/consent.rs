//! Asking at the terminal whether a call may be made.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Write as _};
use std::sync::Arc;

use contract::text::visible;
use tokio::sync::Mutex;
use wasm_coordinator::{Answering, Approval, HostCallbacks, Verdict};

use super::output::Stderr;

/// The person at the terminal, if there is one.
pub(crate) fn person() -> Option<Arc<dyn HostCallbacks>> {
    let terminal = std::io::stderr().is_terminal() && File::open("/dev/tty").is_ok();
    terminal.then(|| Arc::new(Person::default()) as Arc<dyn HostCallbacks>)
}

#[derive(Default)]
struct Person {
    /// Tools that need no further question. Locked while one is asked, so that
    /// questions come one after the other.
    always: Mutex<HashSet<(String, String)>>,
}

impl HostCallbacks for Person {
    fn approve(&self, approval: Approval) -> Answering<'_, Verdict> {
        Box::pin(async move {
            let mut always = self.always.lock().await;
            let tool = (approval.server.clone(), approval.tool.clone());
            if always.contains(&tool) {
                return Verdict::Approved;
            }
            // The terminal blocks; a run that ends meanwhile does not wait.
            let answer = tokio::task::spawn_blocking(move || ask(&approval)).await;
            match answer {
                Ok(Ok(Answer::Once)) => Verdict::Approved,
                Ok(Ok(Answer::Always)) => {
                    always.insert(tool);
                    Verdict::Approved
                }
                Ok(Ok(Answer::No)) => Verdict::Refused,
                Ok(Err(_)) | Err(_) => {
                    Verdict::Unanswered("the terminal cannot be read".to_owned())
                }
            }
        })
    }
}

enum Answer {
    Once,
    Always,
    No,
}

fn ask(approval: &Approval) -> std::io::Result<Answer> {
    let Approval {
        server, tool, why, ..
    } = approval;
    let shown = approval.shown_arguments().replace('\n', "\n  ");
    let question = format!(
        "The program calls `{server}.{tool}`; {why}.\n  {shown}\nAllow it? [y]es, [a]lways in this run, [N]o: "
    );
    Stderr.write_all(visible(&question).as_bytes())?;
    let mut line = String::new();
    BufReader::new(File::open("/dev/tty")?).read_line(&mut line)?;
    Ok(match line.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Answer::Once,
        "a" | "always" => Answer::Always,
        _ => Answer::No,
    })
}
