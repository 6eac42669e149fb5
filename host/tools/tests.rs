//! The whole tool side of a run, with functions of this process as tools.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::sync::{
    Notify,
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

use contract::call_record::CallStatus;
use contract::hint::Hint;
use contract::program::Language;

use super::*;
use crate::servers::LocalTools;
use contract::message::{
    AnswerForm, CallErrorKind, CallId, Completion, Detail, Question, ToCoordinator, ToSandbox,
};

fn anything() -> Value {
    json!({"type": "object"})
}

fn toolbox(servers: Vec<(&str, LocalTools)>) -> Toolbox {
    let spec = |(name, tools)| ServerSpec::local(name, tools);
    let servers = servers.into_iter().map(spec).collect();
    Toolbox::new(servers, ServerLimits::default()).unwrap()
}

fn named(names: &[&'static str]) -> LocalTools {
    names.iter().fold(LocalTools::new(), |tools, &name| {
        tools.tool(
            name,
            "",
            anything(),
            move |_| async move { Ok(name.into()) },
        )
    })
}

async fn called(toolbox: &Toolbox, tool: &str) -> Result<String, String> {
    let result = toolbox.call(&Grants::default(), tool, "{}").await;
    result.map_err(|error| error.message)
}

#[tokio::test]
async fn a_tool_is_found_in_every_way_people_write_it() {
    let toolbox = toolbox(vec![
        ("git-hub", named(&["list-issues", "get"])),
        ("x", named(&["y_z", "get"])),
        ("x_y", named(&["z"])),
    ]);
    for written in [
        "git-hub.list-issues",
        "git_hub.list_issues",
        "git_hub.listIssues",
        "GitHub.ListIssues",
        "git-hub__list-issues",
        "mcp__git_hub__list_issues",
        "git-hub/list-issues",
        "list_issues",
        "listIssues",
        " git-hub.list-issues ",
    ] {
        let found = called(&toolbox, written).await;
        assert_eq!(found.as_deref(), Ok("\"list-issues\""), "{written}");
    }
    assert_eq!(called(&toolbox, "x__y_z").await.unwrap(), "\"y_z\"");
    assert_eq!(called(&toolbox, "x_y__z").await.unwrap(), "\"z\"");
}

#[tokio::test]
async fn what_is_not_found_gets_the_closest_names() {
    let toolbox = toolbox(vec![
        ("github", named(&["list_issues", "get"])),
        ("time", named(&["get", "now"])),
    ]);
    let error = |written: &'static str| {
        let toolbox = &toolbox;
        async move { called(toolbox, written).await.unwrap_err() }
    };
    assert_eq!(
        error("github.list_isues").await,
        "server `github` has no tool `list_isues`; did you mean `github.list_issues`?"
    );
    assert_eq!(
        error("github.zzz").await,
        "server `github` has no tool `zzz`; it has `list_issues` and `get`"
    );
    assert_eq!(
        error("get").await,
        "several servers have a tool `get`; write `github.get` or `time.get`"
    );
    assert_eq!(
        error("lst_issues").await,
        "there is no tool `lst_issues`; did you mean `github.list_issues`?"
    );
    assert_eq!(
        error("qqqq").await,
        "there is no tool `qqqq`; tools are named `server.tool`, and the servers are `github` and `time`"
    );
    assert_eq!(error("").await, "the name of a tool is `server.tool`");
    let nobody = Toolbox::default();
    assert_eq!(
        called(&nobody, "a.b").await.unwrap_err(),
        "there is no server `a.b`: no servers are configured"
    );
    let unknown = toolbox
        .describe("tiem", Language::Python, &Grants::default())
        .await;
    assert_eq!(
        unknown.unwrap_err().message,
        "there is no server `tiem`; did you mean `time`?"
    );
}

#[tokio::test]
async fn a_denied_tool_is_not_called_and_says_what_would_allow_it() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = |tools: LocalTools, name: &str| {
        let calls = Arc::clone(&calls);
        tools.tool(name, "", anything(), move |_| {
            calls.fetch_add(1, Ordering::Relaxed);
            async { Ok(Value::Null) }
        })
    };
    let tools = counted(counted(LocalTools::new(), "log"), "push-all");
    let toolbox = toolbox(vec![("git", tools), ("time", named(&["now"]))]);
    let grants = Grants::new(["git.*"], ["git.push_*"]).unwrap();
    for written in ["git.push-all", "git__push_all", "git.pushAll", "push-all"] {
        let error = toolbox.call(&grants, written, "{}").await.unwrap_err();
        assert_eq!(error.kind, CallErrorKind::Denied, "{written}");
        assert_eq!((&*error.server, &*error.tool), ("git", "push-all"));
    }
    let error = toolbox.call(&grants, "time.now", "{}").await.unwrap_err();
    assert_eq!(error.message, "`time.now` is not among the allowed tools");
    let hint = Hint::AllowTools(vec!["time.now".to_owned()]);
    assert_eq!(error.hint.as_deref(), Some(&hint));
    assert_eq!(calls.load(Ordering::Relaxed), 0);
    // The allowed twin.
    toolbox.call(&grants, "git.log", "{}").await.unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 1);

    // It is described all the same: its call says more than a missing name.
    let shown = toolbox
        .describe("git", Language::Python, &grants)
        .await
        .unwrap();
    let shown: Vec<_> = shown.into_iter().map(|tool| tool.name).collect();
    assert_eq!(shown, ["log", "push-all"]);
    let error = toolbox
        .describe("time", Language::Python, &grants)
        .await
        .unwrap_err();
    assert_eq!(error.kind, CallErrorKind::Denied);
    // No suggestion leads to what is denied.
    let error = toolbox
        .call(&grants, "git.push_al", "{}")
        .await
        .unwrap_err();
    assert_eq!(error.kind, CallErrorKind::UnknownTool(vec![]));
}

#[tokio::test]
async fn secrets_are_in_no_text_for_programs() {
    const SECRET: &str = "tok-0123456789";
    let tools = LocalTools::new()
        .tool("fail", format!("needs {SECRET}"), anything(), |_| async {
            Err(format!("401 for {SECRET}"))
        })
        .tool("leak", "", anything(), |_| async {
            Ok(json!({"token": SECRET}))
        });
    let mut spec = ServerSpec::local("vault", tools);
    spec.secrets = vec![SECRET.to_owned()];
    let toolbox = Toolbox::new(vec![spec], ServerLimits::default()).unwrap();
    assert_eq!(
        called(&toolbox, "vault.fail").await.unwrap_err(),
        "401 for [redacted]"
    );
    assert_eq!(
        called(&toolbox, "vault.leak").await.unwrap(),
        r#"{"token":"[redacted]"}"#
    );
    let tools = toolbox
        .describe("vault", Language::Python, &Grants::default())
        .await
        .unwrap();
    assert_eq!(tools[0].description, "needs [redacted]");
}

#[tokio::test]
async fn a_panicking_or_endless_function_ends_its_call_only() {
    let tools = LocalTools::new()
        .tool("panic", "", anything(), |arguments: Value| async move {
            assert!(arguments.is_null(), "on purpose");
            Ok(Value::Null)
        })
        .tool("hang", "", anything(), |_| std::future::pending());
    let mut spec = ServerSpec::local("bad", tools);
    spec.call_timeout = Duration::from_millis(20);
    let toolbox = Toolbox::new(vec![spec], ServerLimits::default()).unwrap();
    assert_eq!(
        called(&toolbox, "bad.panic").await.unwrap_err(),
        "the tool panicked"
    );
    let error = toolbox
        .call(&Grants::default(), "bad.hang", "{}")
        .await
        .unwrap_err();
    assert_eq!(error.kind, CallErrorKind::TimedOut);
}

#[test]
fn servers_that_programs_could_not_tell_apart_are_refused() {
    let message = |names: [&str; 2]| {
        let servers = names.map(|name| ServerSpec::local(name, LocalTools::new()));
        Toolbox::new(servers.into(), ServerLimits::default())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        message(["a-b", "a.b"]),
        "servers `a-b` and `a.b` would both be the module `a_b`; rename one of them"
    );
    assert_eq!(
        message(["a", "a"]),
        "server `a`: there are two servers of this name"
    );
}

/// A run against a toolbox: send requests, see answers.
struct Run {
    requests: Option<UnboundedSender<ToCoordinator>>,
    answers: UnboundedReceiver<ToSandbox>,
    served: tokio::task::JoinHandle<()>,
    log: CallLog,
}

impl Run {
    fn new(toolbox: Toolbox) -> Self {
        let (requests, inbox) = unbounded_channel();
        let (outbox, answers) = unbounded_channel();
        let log = CallLog::default();
        let log_of_run = log.clone();
        let served = tokio::spawn(async move {
            let run = super::Run {
                grants: &Grants::default(),
                callbacks: None,
                log: &log_of_run,
                render_hint: None,
            };
            toolbox.serve(&run, inbox, outbox).await;
        });
        Self {
            requests: Some(requests),
            answers,
            served,
            log,
        }
    }

    fn call(&self, id: CallId, tool: &str) {
        self.send(ToCoordinator::Call {
            id,
            tool: tool.to_owned(),
            arguments: "{}".to_owned(),
            form: AnswerForm::Value,
        });
    }

    fn send(&self, request: ToCoordinator) {
        self.requests.as_ref().unwrap().send(request).unwrap();
    }

    async fn completion(&mut self) -> Completion {
        match self.answers.recv().await {
            Some(ToSandbox::Completed(completion)) => completion,
            other => panic!("expected a completion, got {other:?}"),
        }
    }

    async fn end(&mut self) -> Vec<(String, CallStatus)> {
        self.requests = None;
        (&mut self.served).await.unwrap();
        assert!(
            self.answers.recv().await.is_none(),
            "no answer is left over"
        );
        let records = self.log.take().into_iter();
        records.map(|record| (record.tool, record.status)).collect()
    }
}

fn patient() -> (LocalTools, Arc<Notify>) {
    let bell = Arc::new(Notify::new());
    let rings = Arc::clone(&bell);
    let tools = named(&["quick"]).tool("wait", "", anything(), move |_| {
        let bell = Arc::clone(&rings);
        async move {
            bell.notified().await;
            Ok("rung".into())
        }
    });
    (tools, bell)
}

#[tokio::test]
async fn calls_run_at_the_same_time_and_each_completes_once() {
    let (tools, bell) = patient();
    let mut run = Run::new(toolbox(vec![("t", tools)]));
    run.call(1, "t.wait");
    run.call(2, "t.quick");
    let first = run.completion().await;
    assert_eq!((first.id, first.result.unwrap().as_str()), (2, "\"quick\""));
    run.send(ToCoordinator::Ask(Question::Describe {
        server: "t".to_owned(),
        language: Language::Python,
    }));
    let Some(ToSandbox::Described(Ok(tools))) = run.answers.recv().await else {
        panic!("the tools are described while a call runs");
    };
    assert_eq!(tools.len(), 2);
    bell.notify_one();
    let second = run.completion().await;
    assert_eq!(
        (second.id, second.result.unwrap().as_str()),
        (1, "\"rung\"")
    );
    let records = run.end().await;
    let expected = [
        ("wait", CallStatus::Finished),
        ("quick", CallStatus::Finished),
    ];
    assert_eq!(
        records,
        expected.map(|(tool, status)| (tool.to_owned(), status))
    );
}

#[tokio::test]
async fn a_cancelled_call_still_completes_and_an_unknown_one_is_ignored() {
    let (tools, _bell) = patient();
    let mut run = Run::new(toolbox(vec![("t", tools)]));
    run.call(1, "t.wait");
    run.call(2, "t.quick");
    run.completion().await;
    run.send(ToCoordinator::Cancel { id: 1 });
    run.send(ToCoordinator::Cancel { id: 99 });
    let completion = run.completion().await;
    let error = completion.result.unwrap_err();
    assert_eq!((completion.id, error.kind), (1, CallErrorKind::Cancelled));
    assert_eq!(
        error.message,
        "the call was cancelled; it may have taken effect"
    );
    run.send(ToCoordinator::Cancel { id: 1 });
    let records = run.end().await;
    assert_eq!(records[0], ("wait".to_owned(), CallStatus::Unknown));
}

#[tokio::test]
async fn a_run_that_hangs_up_leaves_the_record_of_what_was_in_flight() {
    let (tools, _bell) = patient();
    let mut spec = ServerSpec::local("t", tools);
    spec.max_in_flight = Some(1);
    let toolbox = Toolbox::new(vec![spec], ServerLimits::default()).unwrap();
    let mut run = Run::new(toolbox);
    run.call(1, "t.wait");
    run.call(2, "t.wait");
    run.call(3, "t.nothing");
    let failed = run.completion().await;
    assert_eq!(failed.id, 3);
    let records = run.end().await;
    let expected = [
        ("wait", CallStatus::Unknown),
        // It waited for its turn, so it was never sent.
        ("wait", CallStatus::Failed),
        ("nothing", CallStatus::Failed),
    ];
    assert_eq!(
        records,
        expected.map(|(tool, status)| (tool.to_owned(), status))
    );
}

#[tokio::test]
async fn waiting_for_a_turn_does_not_count_towards_the_timeout() {
    let tools = LocalTools::new().tool("slow", "", anything(), |_| async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        Ok(Value::Null)
    });
    let mut spec = ServerSpec::local("t", tools);
    spec.max_in_flight = Some(1);
    spec.call_timeout = Duration::from_millis(100);
    let toolbox = Toolbox::new(vec![spec], ServerLimits::default()).unwrap();
    let mut run = Run::new(toolbox);
    for id in 0..8 {
        run.call(id, "t.slow");
    }
    for id in 0..8 {
        let completion = run.completion().await;
        assert_eq!(completion.id, id, "turns are given in order");
        completion.result.unwrap();
    }
    run.end().await;
}

#[tokio::test]
async fn one_id_twice_is_one_call() {
    let (tools, bell) = patient();
    let mut run = Run::new(toolbox(vec![("t", tools)]));
    run.call(1, "t.wait");
    run.call(1, "t.quick");
    run.call(2, "t.quick");
    assert_eq!(run.completion().await.id, 2);
    bell.notify_one();
    assert_eq!(run.completion().await.id, 1);
    assert_eq!(run.end().await.len(), 2);
}

async fn found(toolbox: &Toolbox, query: &str, limit: u32, grants: &Grants) -> Value {
    let json = toolbox.search(query, Detail::Brief, None, limit, grants);
    serde_json::from_str(&json.await.unwrap()).unwrap()
}

fn names(found: &Value) -> Vec<&str> {
    let tools = found["tools"].as_array().unwrap();
    tools
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_search_knows_only_what_is_granted() {
    let toolbox = toolbox(vec![
        ("git", named(&["log", "push"])),
        ("svn", named(&["log"])),
    ]);
    let all = found(&toolbox, "log", 10, &Grants::default()).await;
    assert_eq!(names(&all), ["git.log", "svn.log"]);
    let grants = Grants::new(["git.*"], ["*.push"]).unwrap();
    assert_eq!(
        names(&found(&toolbox, "", 10, &grants).await),
        ["git.log"],
        "the limit counts what is granted"
    );
    let nothing = found(&toolbox, "push", 10, &grants).await;
    assert_eq!(
        nothing["message"],
        "nothing matches `push`; the tools there are: `git` (1); an empty query lists them"
    );
    let none = Grants::new([""; 0], [""; 0]).unwrap();
    let nothing = found(&toolbox, "", 10, &none).await;
    assert_eq!(nothing["message"], "there is no tool that may be used");
    let error = toolbox.search("", Detail::Brief, Some("svn"), 10, &grants);
    assert_eq!(error.await.unwrap_err().kind, CallErrorKind::Denied);
    let nothing = found(&Toolbox::default(), "x", 10, &grants).await;
    assert_eq!(nothing["message"], "no servers are configured");
}

#[tokio::test]
async fn every_limit_and_every_query_is_bounded() {
    let many: Vec<&'static str> = (0..1_500)
        .map(|n| &*Box::leak(format!("tool_{n}").into_boxed_str()))
        .collect();
    let toolbox = toolbox(vec![("many", named(&many))]);
    let grants = Grants::default();
    for (limit, count) in [(0, 1), (1, 1), (7, 7), (1_000, 1_000), (u32::MAX, 1_000)] {
        let found = found(&toolbox, "", limit, &grants).await;
        assert_eq!(names(&found).len(), count, "{limit}");
        assert_eq!(found["total"], 1_500);
    }
    let long = "ä ".repeat(1_000_000);
    assert_eq!(found(&toolbox, &long, 1, &grants).await["total"], 0);
}

#[tokio::test]
async fn tools_are_prepared_for_searching_once() {
    let toolbox = toolbox(vec![("git", named(&["log"])), ("svn", named(&["log"]))]);
    let grants = Grants::default();
    found(&toolbox, "log", 1, &grants).await;
    let first = toolbox.index();
    found(
        &toolbox,
        "log",
        1,
        &Grants::new(["git.*"], [""; 0]).unwrap(),
    )
    .await;
    assert!(Arc::ptr_eq(&first, &toolbox.index()));
}

#[tokio::test]
async fn a_server_that_is_named_exactly_comes_before_one_that_is_similar() {
    let toolbox = toolbox(vec![
        ("git", named(&[".", "..", "_x"])),
        ("git-hub", named(&["log"])),
    ]);
    assert_eq!(called(&toolbox, "git...").await.unwrap(), "\"..\"");
    assert_eq!(called(&toolbox, "git..").await.unwrap(), "\".\"");
    assert_eq!(called(&toolbox, "git__x").await.unwrap(), "\"_x\"");
    assert_eq!(called(&toolbox, "git_hub.log").await.unwrap(), "\"log\"");
}

#[tokio::test]
async fn of_two_values_of_one_key_the_checked_one_is_sent() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}}});
    let tools = LocalTools::new().tool("t", "", schema, |arguments| async move { Ok(arguments) });
    let toolbox = toolbox(vec![("x", tools)]);
    let sent = |arguments: &'static str| {
        let toolbox = &toolbox;
        async move { toolbox.call(&Grants::default(), "x.t", arguments).await }
    };
    let result = sent(r#"{"a": "rm -rf", "a": 1}"#).await;
    assert_eq!(result.unwrap(), r#"{"a":1}"#);
    let result = sent(r#"{"a": 1, "a": "rm -rf"}"#).await;
    assert!(matches!(
        result.unwrap_err().kind,
        CallErrorKind::InvalidArguments(_)
    ));
}
