//! `exec`: run one program and say what came of it.

// CONTRIBUTING.md, "To add a flag".

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use contract::json::{marked_number, unmarked};
use contract::text::visible;
use serde_json::{Value, json};
use wasm_coordinator::{
    Code, ContentBlock, ErrorReport, Files, Guest, Hint, Language, Report, Session, SessionOptions,
    Status, Stream,
};

use super::advice::AdviceFlags;
use super::emitted::Saved;
use super::failure::{EXIT_HOST, EXIT_INTERRUPTED, Failure};
use super::files::FileFlags;
use super::grants::GrantFlags;
use super::isolation::{self, IsolationFlags};
use super::limits::LimitFlags;
use super::outputs::{Copied, Refusal, Taken};
use super::recording::AuditFlags;
use super::script::Script;
use super::setup::{self, ConfigFlag};
use super::shown::Shown;
use super::terminal::Message;
use super::watch::watched;
use super::{consent, emitted, hints, missing_files, output, recording, script};

/// Run a program in the sandbox.
///
/// Python, JavaScript and TypeScript run as they are; a WebAssembly component
/// runs under the same limits. Tools of the configured MCP servers are imported:
///
///   from servers.github import list_issues      # issues = await list_issues(owner="a", repo="b")
///   from mcp_tools.github import list_issues    # the same without await
///   import { listIssues } from "servers/github"
///
/// The value of the last expression is printed, as in a notebook. Of a notebook
/// (`.ipynb`) the code cells are run, as one program. A program reads the standard
/// input of this command, unless it came from there itself.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Exec {
    /// A script, notebook or component; `-`, or nothing, for standard input
    #[arg(allow_hyphen_values = false)]
    script: Option<PathBuf>,
    /// Arguments for the program
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
    /// Run this code (Python unless --language says otherwise)
    #[arg(short, long, value_name = "CODE")]
    code: Option<String>,
    /// The language of the program, if its file name does not say it
    #[arg(short, long, value_name = "LANGUAGE")]
    language: Option<LanguageFlag>,
    #[command(flatten)]
    pub(super) config: ConfigFlag,
    #[command(flatten)]
    grants: GrantFlags,
    /// Print the whole report of the run as one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    advice: AdviceFlags,
    #[command(flatten)]
    audit: AuditFlags,
    #[command(flatten)]
    files: FileFlags,
    #[command(flatten)]
    limits: LimitFlags,
    #[command(flatten)]
    isolation: IsolationFlags,
}

/// What `--json` prints: the report, with `--output` what was copied, and with
/// `--output-dir` which emitted blocks were saved.
struct Answer {
    report: Report,
    outputs: Option<Vec<Copied>>,
    saved: Vec<Saved>,
}

impl From<Report> for Answer {
    fn from(report: Report) -> Self {
        Self {
            report,
            outputs: None,
            saved: Vec::new(),
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum LanguageFlag {
    #[value(alias = "py")]
    Python,
    #[value(alias = "js")]
    Javascript,
    #[value(alias = "ts")]
    Typescript,
}

impl From<LanguageFlag> for Language {
    fn from(flag: LanguageFlag) -> Self {
        match flag {
            LanguageFlag::Python => Self::Python,
            LanguageFlag::Javascript => Self::JavaScript,
            LanguageFlag::Typescript => Self::TypeScript,
        }
    }
}

impl Exec {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let json = self.json;
        match self.execute() {
            Ok(Some(answer)) if json => print_json(&answer),
            Ok(Some(answer)) => Ok(print(&answer)),
            Ok(None) => {
                if json {
                    let message = "the run was interrupted";
                    let report = Report::not_run(Status::Error, "Interrupted", message, None);
                    print_json(&report.into())?;
                }
                Ok(ExitCode::from(EXIT_INTERRUPTED))
            }
            // A program that reads the answer gets one for these, too.
            Err(failure) if json => {
                let report = failure_report(&failure);
                print_json(&report.into())?;
                Ok(ExitCode::from(failure.exit_code))
            }
            Err(failure) => Err(failure),
        }
    }

    /// `None` if it was interrupted.
    fn execute(mut self) -> Result<Option<Answer>, Failure> {
        let Script {
            program,
            folder,
            from_stdin,
            warnings,
        } = self.script()?;
        let engine = setup::engine()?;
        if let Code::Source { language, .. } = program.code() {
            // Its process starts while everything else is looked at.
            engine.expect(Guest::of(*language), self.limits.metering());
        }
        let mut configuration = self.config.load(!self.json)?;
        self.isolation.overlay(&mut configuration);
        self.grants.overlay(&mut configuration.tools);
        self.advice.overlay(&mut configuration.advice);
        self.limits.overlay(&mut configuration);
        self.audit.overlay(&mut configuration);
        let options = configuration.session_options()?;
        let origin = configuration.origin.as_deref();
        let (workspace, outputs) = self.files.open(configuration.quota, origin, !self.json)?;
        let recorder = recording::of_exec(&configuration)?;
        setup::block_on(async {
            if configuration.require_isolation {
                isolation::check(&engine, &configuration).await?;
            }
            let tools = setup::toolbox(&configuration)?.audited(recorder.clone());
            let tools = if self.json { tools } else { watched(tools) };
            let tools = Arc::new(tools);
            let options = SessionOptions {
                files: Files::Workspace(workspace.clone()),
                render_hint: Some(hints::render),
                ..options
            };
            let mut session = Session::new(&engine, tools.clone(), options);
            session.set_callbacks(consent::person());
            if !from_stdin {
                session.inherit_stdin();
            }
            let shown = Arc::new(Shown::new());
            let are_saved = self.files.saves_content();
            if !self.json {
                let (text, content) = (Arc::clone(&shown), Arc::clone(&shown));
                session.watch(Box::new(move |stream, bytes| text.pass(stream, bytes)));
                session.watch_content(Box::new(move |block| {
                    show_content(block, &content, are_saved);
                }));
            }
            let report = tokio::select! {
                report = session.run(program) => Some(report),
                () = setup::interrupted() => None,
            };
            drop(session);
            tools.shutdown().await;
            recorder.close();
            let Some(mut report) = report else {
                return Ok(None);
            };
            shown.finish(&report);
            report.warnings.splice(0..0, warnings);
            if let Some(error) = &mut report.error
                && let Some(hint) = missing_files::hint(error, &folder)
            {
                error.hint = Some(Hint::Advice(hint));
            }
            let taken = outputs.take(&workspace)?;
            account_for(&taken, &mut report);
            let mut saved = Vec::new();
            if let Some(directory) = self.files.content_directory() {
                let overwrite = self.files.overwrite;
                let all = emitted::save(&report.content, directory, overwrite, &mut saved);
                if let Err(failure) = all {
                    let message = failure.message.text;
                    fail(&mut report, message, Status::HostError, "HostError", None);
                }
            }
            let outputs = outputs.are_asked_for().then_some(taken.copied);
            Ok(Some(Answer {
                report,
                outputs,
                saved,
            }))
        })
    }

    fn script(&mut self) -> Result<Script, Failure> {
        let language = self.language.map(Language::from);
        let mut script = match (&self.code, &self.script) {
            (Some(code), first) => {
                // With `-c` there is no script: what was taken for it is the
                // first argument.
                if let Some(first) = first {
                    self.arguments
                        .insert(0, first.to_string_lossy().into_owned());
                }
                script::from_argument(code, language)
            }
            (None, Some(script)) => script::read(script, language)?,
            (None, None) => {
                let piped = if std::io::stdin().is_terminal() {
                    None
                } else {
                    script::read_piped(language)?
                };
                piped.unwrap_or_else(|| {
                    super::wrong_usage(
                        "exec",
                        "there is nothing to run: name a script, pass the code itself with `-c`, \
                         or pipe it to standard input",
                    )
                })
            }
        };
        script.program = script
            .program
            .arguments(std::mem::take(&mut self.arguments));
        Ok(script)
    }
}

/// Outputs that were not copied make a failure of a run that went well, and a
/// warning where there is a failure already.
fn account_for(taken: &Taken, report: &mut Report) {
    report.warnings.extend(taken.warnings.iter().cloned());
    let Some((path, refusal)) = taken.refused.first() else {
        return;
    };
    let why = match refusal {
        Refusal::Rule(why) => why,
        Refusal::Host(why) => why.as_str(),
    };
    let mut message = format!("the output `{path}` was not copied: {why}");
    match taken.refused.len() - 1 {
        0 => {}
        1 => message += "; nor was another one",
        more => message += &format!("; nor were {more} others"),
    }
    let (status, kind, hint) = match refusal {
        Refusal::Rule(_) => (
            Status::Denied,
            "output_refused",
            Some("pass `--overwrite` to replace plain files, or choose another `--output-dir`"),
        ),
        Refusal::Host(_) => (Status::HostError, "HostError", None),
    };
    fail(report, message, status, kind, hint);
}

/// Makes a failure of a run that went well; a warning of one that failed.
fn fail(report: &mut Report, message: String, status: Status, kind: &str, hint: Option<&str>) {
    if report.status != Status::Ok {
        report.warnings.push(message);
        return;
    }
    report.status = status;
    report.error = Some(ErrorReport {
        kind: kind.into(),
        message,
        hint: hint.map(|hint| Hint::Advice(hint.to_owned())),
        ..ErrorReport::default()
    });
}

/// Shows texts where they were emitted, and says what else was.
fn show_content(block: &ContentBlock, shown: &Shown, is_saved: bool) {
    if let ContentBlock::Text { text } = block {
        let line = if text.ends_with('\n') { "" } else { "\n" };
        return shown.pass(Stream::Stdout, format!("{text}{line}").as_bytes());
    }
    if !is_saved {
        let (mime_type, size) = (block.mime_type(), grouped(block.size()));
        let text = format!("emitted {mime_type}, {size} bytes; `--output-dir DIR` saves it");
        Message::note(text).print();
    }
}

/// A number with commas between its thousands.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn print_json(answer: &Answer) -> Result<ExitCode, Failure> {
    let mut json = answer.report.to_json(hints::render);
    if let Some(outputs) = &answer.outputs {
        json["outputs"] = serde_json::to_value(outputs).map_err(Failure::host)?;
    }
    json["result"] = json!(answer.report.marked_result());
    if !answer.saved.is_empty() {
        json["saved"] = serde_json::to_value(&answer.saved).map_err(Failure::host)?;
    }
    output::line(unmarked(json.to_string()));
    Ok(ExitCode::from(answer.report.status.exit_code()))
}

/// Bytes of a result that is shown on one line.
const ONE_LINE: usize = 100;

/// What is left to say after the output was shown.
fn print(answer: &Answer) -> ExitCode {
    let report = &answer.report;
    if let Some(result) = report.marked_result() {
        let text = match &result {
            Value::Array(_) | Value::Object(_) => {
                let line = unmarked(result.to_string());
                if line.len() <= ONE_LINE {
                    line
                } else {
                    unmarked(format!("{result:#}"))
                }
            }
            Value::String(text) if marked_number(text).is_none() => text.clone(),
            other => unmarked(other.to_string()),
        };
        let text = if std::io::stdout().is_terminal() {
            visible(&text).into_owned()
        } else {
            text
        };
        output::line(text);
    }
    for Saved {
        file,
        mime_type,
        bytes,
    } in &answer.saved
    {
        let size = grouped(*bytes);
        Message::note(format!(
            "emitted {mime_type}, {size} bytes, saved as `{file}`"
        ))
        .print();
    }
    for warning in &report.warnings {
        Message::warning(warning).print();
    }
    let missing = &report.usage.isolation.missing;
    if !missing.is_empty() {
        let names: Vec<_> = missing.iter().map(|layer| layer.name()).collect();
        Message::warning(format!(
            "this machine lacks a part of the second wall: {}",
            names.join(", ")
        ))
        .hint("`wasm-coordinator doctor` says why")
        .print();
    }
    if let Some(error) = &report.error {
        print_error(error);
    }
    ExitCode::from(report.status.exit_code())
}

fn print_error(error: &ErrorReport) {
    let message = match (&error.traceback, error.limit) {
        (Some(traceback), None) => Message::formatted(traceback.trim_end()),
        (Some(traceback), Some(limit)) => {
            Message::formatted(traceback.trim_end()).print();
            Message::error(limit.to_string())
        }
        (None, _) => Message::error(&error.message),
    };
    let hint = error.hint.as_ref().and_then(hints::render);
    message.hint(hint.unwrap_or_default()).print();
}

/// A report on a run that never began.
fn failure_report(failure: &Failure) -> Report {
    let status = if failure.exit_code == EXIT_HOST {
        Status::HostError
    } else {
        Status::Error
    };
    let kind = if failure.exit_code == EXIT_HOST {
        "HostError"
    } else {
        "UsageError"
    };
    Report::not_run(
        status,
        kind,
        &failure.message.text,
        failure.message.hint.clone().map(Hint::Advice),
    )
}
