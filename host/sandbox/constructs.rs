//! What some names of modules and functions do, whatever a program calls them:
//! the tables behind advice.
//!
//! Names that are rare, or that only a reader of the whole program can judge, are
//! left out: a warning that is wrong costs more than one that is missing.

use contract::advice::Construct::{self, DynamicCode, NativeCode, Network, Processes, Unpickling};
use contract::program::Language;

type Table = [(&'static str, Construct)];

/// What a name does, or what it is in. A module that is imported and has more
/// than one use, such as `os`, does nothing.
pub(crate) fn construct(language: Language, name: &str) -> Option<Construct> {
    let table: &Table = match language {
        Language::Python => &PYTHON,
        Language::JavaScript | Language::TypeScript => &JAVASCRIPT,
    };
    let name = name.strip_prefix("node:").unwrap_or(name);
    let ends = name.match_indices(['.', '/']).map(|(at, _)| at);
    ends.chain([name.len()]).find_map(|end| {
        let found = table.binary_search_by(|(known, _)| (*known).cmp(&name[..end]));
        found.ok().map(|at| table[at].1)
    })
}

/// Sorted, to be searched.
const PYTHON: [(&str, Construct); 75] = [
    ("_thread.start_new_thread", Processes),
    ("aiohttp", Network),
    ("asyncio.create_subprocess_exec", Processes),
    ("asyncio.create_subprocess_shell", Processes),
    ("asyncio.open_connection", Network),
    ("asyncio.start_server", Network),
    ("boto3", Network),
    ("cffi", NativeCode),
    ("cloudpickle", Unpickling),
    ("ctypes.CDLL", NativeCode),
    ("ctypes.PyDLL", NativeCode),
    ("ctypes.cdll", NativeCode),
    ("ctypes.pydll", NativeCode),
    ("ctypes.pythonapi", NativeCode),
    ("dill", Unpickling),
    ("ftplib.FTP", Network),
    ("ftplib.FTP_TLS", Network),
    ("http.client.HTTPConnection", Network),
    ("http.client.HTTPSConnection", Network),
    ("http.server.HTTPServer", Network),
    ("http.server.ThreadingHTTPServer", Network),
    ("httpx", Network),
    ("imaplib.IMAP4", Network),
    ("imaplib.IMAP4_SSL", Network),
    ("joblib", Unpickling),
    ("marshal.load", Unpickling),
    ("marshal.loads", Unpickling),
    ("multiprocessing.Pool", Processes),
    ("multiprocessing.Process", Processes),
    ("os.execl", Processes),
    ("os.execle", Processes),
    ("os.execlp", Processes),
    ("os.execv", Processes),
    ("os.execve", Processes),
    ("os.execvp", Processes),
    ("os.execvpe", Processes),
    ("os.fork", Processes),
    ("os.forkpty", Processes),
    ("os.popen", Processes),
    ("os.posix_spawn", Processes),
    ("os.posix_spawnp", Processes),
    ("os.spawnl", Processes),
    ("os.spawnlp", Processes),
    ("os.spawnv", Processes),
    ("os.spawnve", Processes),
    ("os.spawnvp", Processes),
    ("os.system", Processes),
    ("paramiko", Network),
    ("pickle.Unpickler", Unpickling),
    ("pickle.load", Unpickling),
    ("pickle.loads", Unpickling),
    ("poplib.POP3", Network),
    ("pty.fork", Processes),
    ("pty.spawn", Processes),
    ("requests", Network),
    ("runpy.run_module", DynamicCode),
    ("runpy.run_path", DynamicCode),
    ("shelve.open", Unpickling),
    ("smtplib.SMTP", Network),
    ("smtplib.SMTP_SSL", Network),
    ("socket.create_connection", Network),
    ("socket.create_server", Network),
    ("socket.getaddrinfo", Network),
    ("socket.gethostbyname", Network),
    ("socket.socket", Network),
    ("subprocess.Popen", Processes),
    ("subprocess.call", Processes),
    ("subprocess.check_call", Processes),
    ("subprocess.check_output", Processes),
    ("subprocess.getoutput", Processes),
    ("subprocess.run", Processes),
    ("threading.Thread", Processes),
    ("urllib.request.urlopen", Network),
    ("urllib.request.urlretrieve", Network),
    ("websockets", Network),
];

/// Sorted, to be searched.
const JAVASCRIPT: [(&str, Construct); 35] = [
    ("EventSource", Network),
    ("WebSocket", Network),
    ("Worker", Processes),
    ("XMLHttpRequest", Network),
    ("axios", Network),
    ("bun:ffi", NativeCode),
    ("child_process", Processes),
    ("cluster", Processes),
    ("cross-fetch", Network),
    ("dgram", Network),
    ("dns", Network),
    ("execa", Processes),
    ("fetch", Network),
    ("ffi-napi", NativeCode),
    ("got", Network),
    ("http", Network),
    ("http2", Network),
    ("https", Network),
    ("koffi", NativeCode),
    ("navigator.sendBeacon", Network),
    ("net", Network),
    ("node-fetch", Network),
    ("process._linkedBinding", NativeCode),
    ("process.binding", NativeCode),
    ("process.dlopen", NativeCode),
    ("request", Network),
    ("shelljs", Processes),
    ("superagent", Network),
    ("tls", Network),
    ("undici", Network),
    ("v8.deserialize", Unpickling),
    ("vm", DynamicCode),
    ("worker_threads", Processes),
    ("ws", Network),
    ("zx", Processes),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted_so_that_each_name_is_found() {
        for (language, table) in [
            (Language::Python, &PYTHON[..]),
            (Language::TypeScript, &JAVASCRIPT[..]),
        ] {
            for (name, does) in table {
                assert_eq!(construct(language, name), Some(*does), "{name}");
            }
            assert!(table.is_sorted_by(|one, other| one.0 < other.0));
        }
    }

    #[test]
    fn what_is_in_something_does_the_same_and_what_looks_like_it_does_nothing() {
        let python = |name| construct(Language::Python, name);
        assert_eq!(python("requests.get"), Some(Network));
        assert_eq!(python("os.system"), Some(Processes));
        for harmless in [
            "os",
            "os.systems",
            "subprocess.PIPE",
            "requests2",
            "fetch",
            "",
        ] {
            assert_eq!(python(harmless), None, "{harmless}");
        }
        let javascript = |name| construct(Language::JavaScript, name);
        assert_eq!(javascript("node:http"), Some(Network));
        assert_eq!(javascript("dns/promises.lookup"), Some(Network));
        for harmless in [
            "fs",
            "node:crypto",
            "./http.js",
            "process.argv",
            "os.system",
        ] {
            assert_eq!(javascript(harmless), None, "{harmless}");
        }
    }
}
