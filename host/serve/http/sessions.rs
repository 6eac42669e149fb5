//! Sessions of the revisions that have them: whose they are, and how many.
//!
//! `rmcp` keeps them; this keeps count. A session belongs to the caller that
//! opened it, and to anyone else it does not exist.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use contract::caller::Caller;
use futures_util::Stream;
use rmcp::{
    model::{ClientJsonRpcMessage, ServerJsonRpcMessage},
    transport::streamable_http_server::session::{
        ServerSseMessage, SessionId, SessionManager,
        local::{LocalSessionManager, LocalSessionManagerError},
    },
};

use crate::serve::{message::Id, shares::share};

tokio::task_local! {
    /// Set around everything `rmcp` does for one request. It creates sessions
    /// without saying for whom.
    pub(super) static OPENING: Arc<Opening>;
}

/// A request that may open a session.
pub(super) struct Opening {
    caller: Caller,
    refused: AtomicBool,
}

impl Opening {
    pub(super) fn of(caller: Caller) -> Arc<Self> {
        Arc::new(Self {
            caller,
            refused: AtomicBool::new(false),
        })
    }

    /// There was no room for one more session.
    pub(super) fn refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }
}

pub(super) struct Sessions {
    local: LocalSessionManager,
    max_open: usize,
    open: Mutex<HashMap<SessionId, Open>>,
}

struct Open {
    owner: Caller,
    /// Requests and streams in progress.
    active: usize,
    used: Instant,
    /// The ids of requests that have no answer yet.
    ids: HashSet<Id>,
}

/// The id of a request of a session, until the request is answered.
pub(super) struct IdInUse {
    sessions: Arc<Sessions>,
    session: SessionId,
    id: Id,
}

/// A session in use by one request.
pub(super) struct InUse {
    sessions: Arc<Sessions>,
    id: SessionId,
}

impl Sessions {
    pub(super) fn new(max_open: usize, idle: Duration) -> Self {
        let mut local = LocalSessionManager::default();
        local.session_config.keep_alive = Some(idle);
        Self {
            local,
            max_open,
            open: Mutex::default(),
        }
    }

    /// The session of this name, if it is this caller's.
    pub(super) fn enter(self: &Arc<Self>, id: &str, caller: Caller) -> Option<InUse> {
        let mut open = self.open();
        let (id, session) = open
            .get_key_value(id)
            .map(|(id, session)| (id.clone(), session.owner))
            .filter(|(_, owner)| *owner == caller)
            .and_then(|(id, _)| open.get_mut(&id).map(|session| (id.clone(), session)))?;
        session.active += 1;
        Some(InUse {
            sessions: self.clone(),
            id,
        })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<SessionId, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a session in. Says which other one has to go for it: one of the
    /// same caller, where that caller has its share or there is no room.
    fn admit(&self, id: &SessionId, owner: Caller) -> Result<Option<SessionId>, ()> {
        let mut open = self.open();
        let of_owner = open.values().filter(|session| session.owner == owner);
        let free = self.max_open.saturating_sub(open.len());
        let leaving = if share(owner, of_owner.count(), free) > 0 {
            None
        } else {
            let idle = open
                .iter()
                .filter(|(_, session)| session.owner == owner && session.active == 0);
            let oldest = idle.min_by_key(|(_, session)| session.used);
            Some(oldest.map(|(id, _)| id.clone()).ok_or(())?)
        };
        if let Some(leaving) = &leaving {
            open.remove(leaving);
        }
        let session = Open {
            owner,
            active: 0,
            used: Instant::now(),
            ids: HashSet::new(),
        };
        open.insert(id.clone(), session);
        Ok(leaving)
    }
}

impl InUse {
    /// Takes the id of a request. `None` if one that is not answered has it.
    pub(super) fn take_id(&self, id: &Id) -> Option<IdInUse> {
        let mut open = self.sessions.open();
        let is_free = match open.get_mut(&self.id) {
            Some(session) => session.ids.insert(id.clone()),
            None => true,
        };
        is_free.then(|| IdInUse {
            sessions: Arc::clone(&self.sessions),
            session: self.id.clone(),
            id: id.clone(),
        })
    }
}

impl Drop for IdInUse {
    fn drop(&mut self) {
        if let Some(session) = self.sessions.open().get_mut(&self.session) {
            session.ids.remove(&self.id);
        }
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        if let Some(session) = self.sessions.open().get_mut(&self.id) {
            session.active -= 1;
            session.used = Instant::now();
        }
    }
}

impl SessionManager for Sessions {
    type Error = LocalSessionManagerError;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Self::Error> {
        let (id, transport) = self.local.create_session().await?;
        let opening = OPENING.get();
        match self.admit(&id, opening.caller) {
            Ok(leaving) => {
                if let Some(leaving) = leaving {
                    tracing::info!(caller = %opening.caller, "the oldest idle session was closed to make room");
                    self.local.close_session(&leaving).await?;
                }
                Ok((id, transport))
            }
            Err(()) => {
                opening.refused.store(true, Ordering::Relaxed);
                self.local.close_session(&id).await?;
                Err(LocalSessionManagerError::SessionNotFound(id))
            }
        }
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Self::Error> {
        self.local.initialize_session(id, message).await
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Self::Error> {
        self.local.has_session(id).await
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), Self::Error> {
        self.open().remove(id);
        self.local.close_session(id).await
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.local.create_stream(id, message).await
    }

    async fn accept_message(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<(), Self::Error> {
        self.local.accept_message(id, message).await
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.local.create_standalone_stream(id).await
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.local.resume(id, last_event_id).await
    }
}
