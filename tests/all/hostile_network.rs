//! Ways out by the network: programs have none, and the servers of the
//! configuration are reached where it says and nowhere else. Nothing here leaves
//! this machine.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::faults::Http;
use crate::harness::{Place, ok};
use crate::oracle::{End, ends_as};

/// Listens where a program could connect to, and counts who does.
struct Trap {
    tcp: TcpListener,
    udp: UdpSocket,
}

impl Trap {
    fn new() -> Self {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        tcp.set_nonblocking(true).unwrap();
        udp.set_nonblocking(true).unwrap();
        Self { tcp, udp }
    }

    fn ports(&self) -> [u16; 2] {
        [
            self.tcp.local_addr().unwrap().port(),
            self.udp.local_addr().unwrap().port(),
        ]
    }

    #[track_caller]
    fn is_untouched(&self) {
        assert!(self.tcp.accept().is_err(), "somebody connected");
        assert!(self.udp.recv(&mut [0; 1]).is_err(), "somebody sent");
    }
}

#[test]
fn nothing_is_reached_over_the_network() {
    let trap = Trap::new();
    let [tcp, udp] = trap.ports();
    let place = Place::new();
    let source = "
import socket, urllib.request, http.client, asyncio, ftplib, smtplib
def refused(work):
    try: return f'NOT REFUSED: {work()!r}'
    except (OSError, AttributeError, ImportError, RuntimeError, NotImplementedError, ValueError) as e: return type(e).__name__
def made(family, kind): return lambda: socket.socket(getattr(socket, family), getattr(socket, kind)).connect(('127.0.0.1', TCP))
def bound(): s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(); return s.accept()
def sent(): socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', UDP))
works = [made('AF_INET', 'SOCK_STREAM'), made('AF_INET6', 'SOCK_STREAM'), made('AF_UNIX', 'SOCK_STREAM'), made('AF_INET', 'SOCK_RAW'),
    made('AF_VSOCK', 'SOCK_STREAM'), bound, sent, lambda: socket.create_connection(('localhost', TCP)), lambda: socket.socketpair(),
    lambda: socket.getaddrinfo('canary.invalid', 80), lambda: socket.gethostbyname('localhost'), lambda: socket.gethostbyaddr('127.0.0.1'),
    lambda: socket.getfqdn('canary.invalid') and 1 / 0 if False else socket.gethostbyname('canary.invalid'),
    lambda: urllib.request.urlopen('http://127.0.0.1:TCP/'), lambda: http.client.HTTPConnection('127.0.0.1', TCP).request('GET', '/'),
    lambda: ftplib.FTP('127.0.0.1'), lambda: smtplib.SMTP('127.0.0.1', TCP)]
async def connected():
    await asyncio.open_connection('127.0.0.1', TCP)
async def listening():
    await asyncio.start_server(print, '127.0.0.1', 0)
seen = [refused(work) for work in works]
for work in (connected, listening):
    try: await work(); seen.append('NOT REFUSED')
    except Exception as e: seen.append(type(e).__name__)
[name for name in seen if name.startswith('NOT')]";
    let source = source
        .replace("TCP", &tcp.to_string())
        .replace("UDP", &udp.to_string())
        .replace("def bound(): s = ", "def bound():\n    s = ");
    let report = ends_as(&place, "a.py", &source, &[End::Ok]);
    assert_eq!(report["result"], json!([]), "{report:#}");
    let source = "
const refused = async (work) => { try { return `NOT REFUSED: ${await work()}` } catch (e) { return 'refused' } };
const seen = [];
const url = 'http://127.0.0.1:TCP/';
for (const work of [
    () => fetch(url), () => new WebSocket('ws://127.0.0.1:TCP/'), () => new EventSource(url), () => new XMLHttpRequest(),
    () => require('net').connect(TCP), () => require('http').get(url), () => require('https').get(url), () => require('dgram').createSocket('udp4'),
    () => require('dns').lookup('canary.invalid'), () => require('tls').connect(TCP), () => navigator.sendBeacon(url), () => import(url), () => import('file:///etc/passwd'),
]) seen.push(await refused(work));
seen.filter(name => name !== 'refused')";
    let source = source.replace("TCP", &tcp.to_string());
    let report = ends_as(&place, "a.js", &source, &[End::Ok]);
    assert_eq!(report["result"], json!([]), "{report:#}");
    trap.is_untouched();
    // The same words are data, and a tool may go there for the program.
    assert_eq!(
        ok(place.javascript("new URL('http://127.0.0.1:1/a').pathname")),
        "/a"
    );
}

/// A server that answers every request in one way, and remembers what it was
/// sent.
pub struct Recorder {
    url: String,
    heard: Arc<Mutex<String>>,
}

impl Recorder {
    /// `answer` is all of the answer, with its head.
    pub fn new(answer: impl Into<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let heard = Arc::<Mutex<String>>::default();
        let (answer, memory) = (answer.into(), Arc::clone(&heard));
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let mut reader = BufReader::new(connection);
                let mut head = String::new();
                while reader.read_line(&mut head).is_ok_and(|bytes| bytes > 2) {}
                let length = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    let is_it = name.eq_ignore_ascii_case("content-length");
                    is_it.then(|| value.trim().parse().ok())?
                });
                let mut body = vec![0; length.unwrap_or(0)];
                let _ = reader.read_exact(&mut body);
                let body = String::from_utf8_lossy(&body);
                *memory.lock().unwrap() += &format!("{head}{body}\n");
                let _ = reader.get_mut().write_all(answer.as_bytes());
            }
        });
        Self { url, heard }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// All that it was sent.
    pub fn heard(&self) -> String {
        self.heard.lock().unwrap().clone()
    }
}

/// Calls a server over HTTP and tells what became of it.
fn call(url: &str, headers: Value, variables: &[(&str, &str)]) -> Value {
    let servers = json!({ "far": { "url": url, "headers": headers, "callTimeout": "3s" } });
    let config = json!({ "mcpServers": servers, "coordinator": { "startTimeout": "3s" } });
    let mut place = Place::with_config(config);
    for (name, value) in variables {
        place = place.variable(name, value);
    }
    place.python("await call_tool('far.add', {'a': 1, 'b': 2})")
}

#[test]
fn no_redirect_leads_to_another_origin() {
    let trap = Trap::new();
    let [port, _] = trap.ports();
    for status in [301, 302, 303, 307, 308] {
        for target in [
            format!("http://127.0.0.1:{port}/"),
            format!("//127.0.0.1:{port}/"),
            format!("http://localhost:{port}/mcp"),
            "file:///etc/passwd".to_owned(),
            format!("gopher://127.0.0.1:{port}/"),
        ] {
            let server = Recorder::new(format!(
                "HTTP/1.1 {status} Elsewhere\r\nLocation: {target}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            ));
            let report = call(server.url(), json!({ "X-Key": "canary-0123456789" }), &[]);
            assert_eq!(report["status"], "error", "{target}: {report:#}");
            assert!(server.heard().contains("canary-0123456789"));
        }
    }
    trap.is_untouched();
    // One that goes in a circle ends.
    let listener = Recorder::new(
        "HTTP/1.1 307 Again\r\nLocation: /mcp\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    );
    let report = call(listener.url(), json!({}), &[]);
    assert_eq!(report["status"], "error", "{report:#}");
    assert!(listener.heard().matches("POST ").count() < 30);
}

/// What other programs take from the environment and the home folder.
#[test]
fn no_proxy_and_no_password_of_the_user_is_used() {
    let trap = Trap::new();
    let [port, _] = trap.ports();
    let proxy = format!("http://127.0.0.1:{port}");
    let home = tempfile::tempdir().unwrap();
    let netrc = "machine 127.0.0.1 login canary password canary-0123456789\n";
    std::fs::write(home.path().join(".netrc"), netrc).unwrap();
    let home = home.path().to_str().unwrap();
    let mut variables = vec![("HOME", home)];
    for name in [
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "all_proxy",
    ] {
        variables.push((name, &*proxy));
    }
    let refused =
        Recorder::new("HTTP/1.1 401 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    call(refused.url(), json!({}), &variables);
    assert!(refused.heard().contains("POST /mcp "));
    assert!(
        !refused
            .heard()
            .to_ascii_lowercase()
            .contains("authorization")
    );
    // And a server that is there is reached.
    let server = Http::start(&[]);
    let report = call(server.url(), json!({}), &variables);
    assert_eq!(ok(report), json!({ "sum": 3 }));
    trap.is_untouched();
}
