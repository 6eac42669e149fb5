//! What all calls with one handle share.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    files::Workspace,
    serve::{
        meter::Totals,
        output::{
            answer::{KeptOutput, Location},
            fitted::{Cut, OutputPart},
        },
    },
    session::Session,
};

/// One session, whether a handle names it or not.
pub(in crate::serve) struct SessionSlot {
    /// Locked while a program runs: one after the other.
    pub(in crate::serve) session: tokio::sync::Mutex<Session>,
    /// Its files, also while a program runs.
    pub(in crate::serve) workspace: Workspace,
    /// Tools that the user allowed for all of the session.
    pub(in crate::serve) allowed: Arc<Mutex<HashSet<(String, String)>>>,
    /// What it saved so far.
    pub(in crate::serve) totals: Mutex<Totals>,
    /// Bytes of its interpreters after the last run.
    pub(in crate::serve) memory: AtomicU64,
    /// Runs whose outputs were kept so far.
    kept: AtomicU64,
}

impl SessionSlot {
    pub(in crate::serve) fn new(session: Session) -> Arc<Self> {
        Arc::new(Self {
            workspace: session.workspace().clone(),
            session: tokio::sync::Mutex::new(session),
            allowed: Arc::default(),
            totals: Mutex::default(),
            memory: AtomicU64::new(0),
            kept: AtomicU64::new(0),
        })
    }

    /// Tokens that direct calls would have cost more.
    pub(super) fn saved(&self) -> i64 {
        let totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        totals.cost().saved
    }

    /// What it holds: memories of interpreters and files.
    pub(super) fn bytes(&self) -> u64 {
        self.memory.load(Ordering::Relaxed) + self.workspace.usage().bytes
    }

    /// Writes the outputs of a run that did not fit into files of the workspace.
    pub(in crate::serve) fn keep(&self, cut: &[Cut]) -> Vec<KeptOutput> {
        if cut.is_empty() {
            return Vec::new();
        }
        let run = self.kept.fetch_add(1, Ordering::Relaxed) + 1;
        let kept = cut.iter().enumerate().map(|(index, cut)| {
            let name = match cut.part {
                // There can be several of them.
                OutputPart::Emitted => format!("{}-{index}", cut.part.name()),
                _ => cut.part.name().to_owned(),
            };
            let path = format!(".output/{run}-{name}.{}", cut.extension);
            let location = match self.workspace.write_file(&path, &cut.content) {
                Ok(()) => Location::Path(format!("/workspace/{path}")),
                Err(error) => Location::Lost(error.to_string()),
            };
            KeptOutput::new(cut, location)
        });
        kept.collect()
    }
}
