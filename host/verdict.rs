//! What a run amounts to: the report that is made of how it ended.
//!
//! The sandbox says what happened; here it becomes one status and one error, the
//! same for the command line, the server and the library.

use std::time::Instant;

use contract::advice::Finding;
use contract::call_record::CallRecord;
use contract::hint::{Hint, RenderHint, with_hint};
use contract::json::{Json, holds_numbers};
use contract::limits::{FileLimit, Limit};
use contract::outcome::{
    ComponentRefusal, ComponentRefusalKind, Exception, Failure, Outcome, Position, Refusal,
    RunError, RunOutcome, Value,
};
use contract::report::{ErrorReport, Report, Status, Usage};
use sandbox::Output;

use crate::session::SessionOptions;

/// Said once, by the first run after the one that did it.
const VARIABLES_LOST: &str = "the variables of earlier programs are gone: the program before this \
     one was stopped and took the interpreter with it; the files are as it left them";

/// Findings that are said of one program: more than anybody mends at once.
const MAX_SAID: usize = 10;

/// The report on a run: how it ended, what it printed and what it called.
pub(crate) fn report(
    outcome: RunOutcome,
    output: Output,
    options: &SessionOptions,
    started: Instant,
    calls: Vec<CallRecord>,
) -> Report {
    let printed = (output.stdout.len() + output.stderr.len()) as u64;
    let usage = Usage {
        wall_ms: (started.elapsed().as_secs_f64() * 1e6).round() / 1e3,
        fuel: outcome.fuel,
        memory_peak_bytes: outcome.memory_peak,
        calls: calls.len() as u32,
        output_bytes: printed,
        isolation: outcome.isolation.clone(),
    };
    let variables_lost = outcome.variables_lost;
    let unread = outcome.files_unread.clone();
    let not_kept = outcome.files_not_kept.clone();
    let mut verdict = verdict(outcome, options, printed);
    verdict.warn_of_files(unread, not_kept);
    if variables_lost {
        verdict.warnings.insert(0, VARIABLES_LOST.to_owned());
    }
    Report {
        status: verdict.status,
        result: verdict.result,
        exact_result: verdict.exact_result,
        excess: verdict.excess,
        stdout: text(output.stdout),
        stderr: text(output.stderr),
        content: output.content,
        error: verdict.error,
        warnings: verdict.warnings,
        calls,
        usage,
    }
}

/// Valid UTF-8 as it is; anything else with replacement characters.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

struct Verdict {
    status: Status,
    result: Option<serde_json::Value>,
    exact_result: Option<Box<str>>,
    /// A value that is more than the run may return.
    excess: Option<Value>,
    error: Option<ErrorReport>,
    warnings: Vec<String>,
}

impl Verdict {
    fn failed(status: Status, error: ErrorReport) -> Self {
        Self {
            status,
            result: None,
            exact_result: None,
            excess: None,
            error: Some(error),
            warnings: Vec::new(),
        }
    }

    /// What the workspace did not take makes a failure of a run that went well.
    fn warn_of_files(&mut self, unread: Vec<String>, not_kept: Vec<String>) {
        let unread = unread.into_iter();
        self.warnings
            .extend(unread.map(|error| format!("the program did not see a file: {error}")));
        let mut not_kept = not_kept
            .into_iter()
            .map(|error| format!("a file of the program was not kept: {error}"));
        if self.status == Status::Ok
            && let Some(first) = not_kept.next()
        {
            self.status = Status::HostError;
            self.error = Some(plain_error("HostError", first));
        }
        self.warnings.extend(not_kept);
    }

    fn refused(refusal: ComponentRefusal) -> Self {
        use ComponentRefusalKind as Kind;
        let status = match refusal.kind {
            Kind::ImportDenied | Kind::ImportUnknown | Kind::ImportMismatch => Status::Denied,
            Kind::Invalid | Kind::CompilerBusy | Kind::ImportUnavailable => Status::Error,
        };
        let error = ErrorReport {
            hint: refusal.hint,
            ..plain_error(refusal.kind.name(), refusal.message)
        };
        Self::failed(status, error)
    }

    /// The first finding is the error; the others are said, too.
    fn not_run(findings: &[Finding], render: Option<RenderHint>) -> Self {
        let message = "the program was not run".to_owned();
        let Some((first, others)) = findings.split_first() else {
            let error = plain_error("HostError", message);
            return Self::failed(Status::HostError, error);
        };
        let error = ErrorReport {
            hint: Some(first.hint()),
            position: first.position.clone(),
            ..plain_error("advice_refused", format!("{message}: {first}"))
        };
        Self {
            warnings: said(others, render),
            ..Self::failed(Status::Denied, error)
        }
    }

    fn limit(limit: Limit) -> Self {
        Self::failed(Status::Limit, limit_error(limit))
    }
}

fn verdict(run: RunOutcome, options: &SessionOptions, printed: u64) -> Verdict {
    let render = options.render_hint;
    let verdict = judged(run.end, run.files_refused, options, printed);
    let mut findings = run.findings;
    // What ended the program is said already.
    let line = |position: &Option<Position>| Some(position.as_ref()?.line);
    let failed_at = verdict
        .error
        .as_ref()
        .and_then(|error| line(&error.position));
    findings.retain(|finding| failed_at.is_none() || line(&finding.position) != failed_at);
    let mut warnings = said(&findings, render);
    warnings.extend(verdict.warnings);
    Verdict {
        warnings,
        ..verdict
    }
}

/// Findings as warnings, with what would allow each where that can be said.
fn said(findings: &[Finding], render: Option<RenderHint>) -> Vec<String> {
    let sentence = |finding: &Finding| match render {
        Some(render) => with_hint(&finding.to_string(), Some(&finding.hint()), render),
        None => finding.to_string(),
    };
    let mut said: Vec<_> = findings.iter().take(MAX_SAID).map(sentence).collect();
    if findings.len() > MAX_SAID {
        let more = findings.len() - MAX_SAID;
        said.push(format!("{more} more findings in the text of the program"));
    }
    said
}

fn judged(
    end: Result<Outcome, RunError>,
    files_refused: Option<FileLimit>,
    options: &SessionOptions,
    printed: u64,
) -> Verdict {
    let limits = &options.limits;
    let outcome = match end {
        Ok(outcome) => outcome,
        Err(RunError::Limit(limit)) => return Verdict::limit(limit),
        Err(RunError::Crashed(what)) => {
            let error = plain_error("Crash", format!("the program crashed its sandbox: {what}"));
            return Verdict::failed(Status::Error, error);
        }
        Err(RunError::Refused(refusal)) => return Verdict::refused(refusal),
        Err(RunError::Host(error)) => {
            // The chain is for the operator; what failed is for everybody.
            tracing::error!(error = &error as &dyn std::error::Error, "a run failed");
            return Verdict::failed(
                Status::HostError,
                plain_error("HostError", error.to_string()),
            );
        }
    };
    let verdict = match outcome.result {
        Ok(value) => match returned(value, limits.max_output.saturating_sub(printed)) {
            Ok((result, exact_result)) => Verdict {
                status: Status::Ok,
                result,
                exact_result,
                excess: None,
                error: None,
                warnings: Vec::new(),
            },
            Err(value) => Verdict {
                excess: Some(value),
                ..Verdict::limit(Limit::Output(limits.max_output))
            },
        },
        Err(Failure::Exited(status)) => {
            let error = plain_error(
                "SystemExit",
                format!("the program exited with status {status}"),
            );
            Verdict::failed(Status::Error, error)
        }
        Err(Failure::Stuck(exception)) => {
            Verdict::failed(Status::Error, exception_error(exception))
        }
        Err(Failure::Raised(exception)) => raised(exception, files_refused),
        Err(Failure::NotRun(findings)) => return Verdict::not_run(&findings, options.render_hint),
        Err(Failure::Refused {
            refusal,
            hint,
            exception,
        }) => {
            let status = match refusal {
                Refusal::Denied => Status::Denied,
                Refusal::Limit => Status::Limit,
            };
            let hint = hint.map(|hint| *hint);
            let error = exception_error(exception);
            Verdict::failed(status, ErrorReport { hint, ..error })
        }
        Err(Failure::OutOfMemory(exception)) => {
            let error = exception_error(exception);
            let limit = limit_error(Limit::Memory(limits.memory));
            Verdict::failed(
                Status::Limit,
                ErrorReport {
                    traceback: error.traceback,
                    position: error.position,
                    ..limit
                },
            )
        }
    };
    Verdict {
        warnings: outcome.warnings,
        ..verdict
    }
}

/// An uncaught exception: the program's own failure.
fn raised(exception: Exception, files_refused: Option<FileLimit>) -> Verdict {
    // Languages say "I/O error" where a limit of the files was met, and
    // programs may wrap that. So the hint is given whenever one was met.
    let hint = files_refused.map(Hint::FileLimit);
    let error = exception_error(exception);
    Verdict::failed(Status::Error, ErrorReport { hint, ..error })
}

/// The value, if it fits into what is left of the output limit; else as it came.
fn returned(value: Value, room: u64) -> Result<Exact, Value> {
    match &value {
        Value::Json(text) | Value::Text(text) if text.len() as u64 > room => Err(value),
        _ => Ok(exact(value)),
    }
}

/// A value as JSON, and as text where that holds more digits.
pub(crate) type Exact = (Option<serde_json::Value>, Option<Box<str>>);

/// What a guest gave, as reports have it.
pub(crate) fn exact(value: Value) -> Exact {
    match value {
        Value::Nothing => (None, None),
        Value::Json(text) => {
            if holds_numbers(&text)
                && let Ok(value) = serde_json::from_str(&text)
            {
                return (Some(value), None);
            }
            match Json::read(&text) {
                Ok(exact) => (Some(exact.to_value()), Some(exact.to_string().into())),
                // A guest that writes something else means it as text.
                Err(_) => (Some(text.into()), None),
            }
        }
        Value::Text(text) => (Some(text.into()), None),
    }
}

fn plain_error(kind: &str, message: String) -> ErrorReport {
    ErrorReport {
        kind: kind.into(),
        message,
        ..ErrorReport::default()
    }
}

fn limit_error(limit: Limit) -> ErrorReport {
    ErrorReport {
        hint: Some(Hint::Limit(limit)),
        limit: Some(limit),
        ..plain_error(limit.name(), limit.to_string())
    }
}

fn exception_error(exception: Exception) -> ErrorReport {
    let Exception {
        kind,
        message,
        traceback,
        position,
    } = exception;
    ErrorReport {
        traceback: Some(traceback),
        position,
        ..plain_error(&kind, message)
    }
}
