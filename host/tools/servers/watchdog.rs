//! Ends the servers if we are killed before we can.
//!
//! When a process dies, its children live on. The kernel can end direct
//! children with us, but servers are often started by a package runner, so
//! what matters is a grandchild. Therefore one small shell waits at the end of
//! a pipe that only we hold: we tell it which groups live, and when the pipe
//! closes, however that came about, it ends those that are left.
//!
//! One for the whole process, started with the first server. Without a shell
//! there is none; the death signal and the closed standard input remain.

use std::{
    io::Write as _,
    process::{Child, Command, Stdio},
    sync::{Mutex, OnceLock},
};

use rustix::process::Pid;

use super::{lock, stragglers};

/// Reads `+ GROUP MARK` and `- GROUP`; at the end of input asks the groups to
/// end, and kills after a third of a second whatever is left in them or carries
/// a mark. All marks are looked for at once: a search for each would take
/// seconds with a dozen servers.
const SCRIPT: &str = r#"
alive=
while read -r verb group mark; do
    case $verb in
    +) alive="$alive $group:$mark" ;;
    -)
        others=
        for entry in $alive; do
            [ "${entry%%:*}" = "$group" ] || others="$others $entry"
        done
        alive=$others
        ;;
    esac
done
[ "$alive" ] || exit 0
set --
for entry in $alive; do
    kill -s TERM -- "-${entry%%:*}"
    set -- "$@" -e "$0=${entry#*:}"
done
for moment in 1 2 3; do
    left=
    for entry in $alive; do kill -0 -- "-${entry%%:*}" && left=1; done
    [ "$left" ] || break
    sleep 0.1 || sleep 1
done
for entry in $alive; do kill -s KILL -- "-${entry%%:*}"; done
for environment in $(grep -lsxzF "$@" /proc/[0-9]*/environ); do
    process=${environment%/environ}
    kill -s KILL -- "${process#/proc/}"
done
"#;

/// Tells the watchdog of a new group.
pub(super) fn watch(group: Pid, mark: &str) {
    tell(&format!("+ {} {mark}\n", group.as_raw_nonzero()));
}

/// Tells the watchdog that a group is gone: its number may be used again.
pub(super) fn forget(group: Pid) {
    tell(&format!("- {}\n", group.as_raw_nonzero()));
}

fn tell(line: &str) {
    static WATCHDOG: OnceLock<Option<Mutex<Child>>> = OnceLock::new();
    let watchdog = WATCHDOG.get_or_init(|| match start() {
        Ok(child) => Some(Mutex::new(child)),
        Err(error) => {
            tracing::debug!(%error, "no shell watches over the tool servers");
            None
        }
    });
    // A watchdog that was killed cannot be told anything; nothing depends on it
    // as long as we live.
    if let Some(watchdog) = watchdog
        && let Some(input) = &mut lock(watchdog).stdin
    {
        let _ = input.write_all(line.as_bytes());
    }
}

fn start() -> std::io::Result<Child> {
    use std::os::unix::process::CommandExt as _;
    Command::new("/bin/sh")
        .args(["-c", SCRIPT, stragglers::VARIABLE])
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C in a terminal is for us, and we may need it afterwards.
        .process_group(0)
        .spawn()
}
