//! Connections: accepted while there is room, served, and ended in order.

use std::{
    collections::HashMap,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Router, http::Request};
use hyper::{body::Incoming, server::conn::http1, service::Service as _};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{options::Options, probes::Operator, stall::Stalling};

/// Of the headers of a request, and of what is read ahead.
const MAX_HEAD: usize = 64 << 10;

/// After an `accept` that failed, for lack of file descriptors say.
const PAUSE: Duration = Duration::from_millis(50);

/// For the last answers to reach their clients.
const FLUSH: Duration = Duration::from_secs(1);

const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n\
    content-length: 0\r\nconnection: close\r\n\r\n";

/// One client's connection; an extension of its requests.
#[derive(Clone)]
pub(super) struct Connection(Arc<Shared>);

struct Shared {
    local: SocketAddr,
    /// Since when no request is in progress.
    waiting: Mutex<Option<Instant>>,
    close: CancellationToken,
}

/// A request of a connection is in progress.
pub(super) struct Busy(Connection);

impl Connection {
    fn new(local: SocketAddr) -> Self {
        Self(Arc::new(Shared {
            local,
            waiting: Mutex::new(Some(Instant::now())),
            close: CancellationToken::new(),
        }))
    }

    /// Where the client found this server.
    pub(super) fn local(&self) -> SocketAddr {
        self.0.local
    }

    pub(super) fn busy(&self) -> Busy {
        *self.waiting() = None;
        Busy(self.clone())
    }

    fn waiting(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        *self.0.waiting() = Some(Instant::now());
    }
}

/// All connections.
struct Connections {
    max_open: usize,
    next: AtomicU64,
    open: Mutex<HashMap<u64, Connection>>,
}

/// A connection that is counted.
struct Counted {
    connections: Arc<Connections>,
    number: u64,
    connection: Connection,
}

impl Connections {
    /// Counts one in. When there are as many as may be, the one is closed
    /// that has waited longest without asking anything: idle connections cost
    /// a stranger nothing, and must not keep others out.
    fn admit(self: &Arc<Self>, local: SocketAddr) -> Option<Counted> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= self.max_open {
            let waiting = open.iter().filter_map(|(number, connection)| {
                let since = *connection.waiting();
                since.map(|since| (since, *number))
            });
            let (_, oldest) = waiting.min()?;
            if let Some(connection) = open.remove(&oldest) {
                connection.0.close.cancel();
            }
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let connection = Connection::new(local);
        open.insert(number, connection.clone());
        Some(Counted {
            connections: self.clone(),
            number,
            connection,
        })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut open = self
            .connections
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        open.remove(&self.number);
    }
}

/// Serves until `shutdown`, and then as long as the grace time allows.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    options: &Arc<Options>,
    operator: &Arc<dyn Operator>,
    shutdown: impl Future<Output = ()>,
    (stopping, cut): (CancellationToken, CancellationToken),
) {
    let connections = Arc::new(Connections {
        max_open: options.connections.max(1),
        next: AtomicU64::new(0),
        open: Mutex::default(),
    });
    let mut shutdown = pin!(shutdown);
    let mut tasks = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = tasks.join_next(), if !tasks.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(PAUSE).await;
                continue;
            }
        };
        let Ok(local) = stream.local_addr() else {
            continue;
        };
        match connections.admit(local) {
            Some(counted) => {
                let connection = serve_one(
                    stream,
                    counted,
                    router.clone(),
                    options.clone(),
                    stopping.clone(),
                );
                tasks.spawn(connection);
            }
            None => {
                operator.limited("connections");
                // Whether the client sees it is up to its socket.
                let _ = stream.try_write(FULL);
            }
        }
    }

    drop(listener);
    stopping.cancel();
    tracing::info!(connections = tasks.len(), "stopping");
    let drain = async |tasks: &mut JoinSet<()>| while tasks.join_next().await.is_some() {};
    if timeout(options.grace, drain(&mut tasks)).await.is_err() {
        tracing::warn!(connections = tasks.len(), "the grace time is over");
        cut.cancel();
        let _ = timeout(FLUSH, drain(&mut tasks)).await;
    }
    cut.cancel();
    tasks.shutdown().await;
}

async fn serve_one(
    stream: TcpStream,
    counted: Counted,
    router: Router,
    options: Arc<Options>,
    stopping: CancellationToken,
) {
    // Answers are written whole; waiting for more of them only delays.
    let _ = stream.set_nodelay(true);
    let io = TokioIo::new(Stalling::new(stream, options.write_timeout));
    let close = counted.connection.0.close.clone();
    let router = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(counted.connection.clone());
        router.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_timeout)
        .max_buf_size(MAX_HEAD)
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = close.cancelled() => return,
        () = stopping.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
