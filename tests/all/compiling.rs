//! Components of users are compiled in a process that is there for nothing else:
//! what hostile components can do to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use contract::advice::Advice;
use contract::caller::Caller;
use contract::limits::Limits;
use contract::outcome::{ComponentRefusalKind, Outcome, RunError, Value};
use contract::program::{Form, Program};
use sandbox::files::{Mounts, Quota, Workspace};
use sandbox::{
    Artifact, Channel, Compiler, Engine, EngineOptions, Job, Metering, NotCompiled, Sandbox,
};
use tokio::sync::mpsc::unbounded_channel;
use worker::compile::CompileLimits;
use worker::compiler::ProcessCompiler;

use crate::library::tokio;

pub const ANNA: Caller = Caller([1; 32]);
pub const BERT: Caller = Caller([2; 32]);

/// The program, which is its own compiler.
pub fn program() -> PathBuf {
    env!("CARGO_BIN_EXE_wasm-coordinator").into()
}

pub fn compiler(program: impl Into<PathBuf>, limits: CompileLimits) -> Arc<dyn Compiler> {
    Arc::new(ProcessCompiler::new(program, limits))
}

/// An engine whose components this compiles.
pub fn engine(compiler: Arc<dyn Compiler>, cache: Option<&Path>) -> Engine {
    Engine::new(EngineOptions {
        cache: cache.map(Into::into),
        compiler: Some(compiler),
        ..Default::default()
    })
    .unwrap()
}

pub fn honest(limits: CompileLimits) -> Engine {
    engine(compiler(program(), limits), None)
}

/// Runs a component or module for a caller.
pub async fn run(engine: &Engine, caller: Caller, binary: &[u8]) -> Result<Outcome, RunError> {
    let mounts = Mounts::new(&Workspace::new(Quota::default()));
    let mut sandbox = Sandbox::new(engine.clone(), Arc::default(), mounts);
    sandbox.belongs_to(caller);
    let (requests, _to_coordinator) = unbounded_channel();
    let (_to_sandbox, answers) = unbounded_channel();
    let channel = Channel { requests, answers };
    let program = Program::component(binary.to_vec());
    let (advice, limits) = (Advice::default(), Limits::default());
    sandbox.run(&program, &advice, &limits, channel).await.end
}

#[track_caller]
pub fn runs(end: Result<Outcome, RunError>) {
    assert_eq!(end.expect("it runs").result, Ok(Value::Nothing));
}

/// What a refused component is told.
#[track_caller]
pub fn refused(end: Result<Outcome, RunError>) -> String {
    match end {
        Err(RunError::Refused(refusal)) => {
            assert_eq!(refusal.kind, ComponentRefusalKind::Invalid, "{refusal:?}");
            refusal.message
        }
        other => panic!("not refused: {other:?}"),
    }
}

/// A command that ends well, with more in its module.
pub fn command(more: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
            (core module $m (func (export "run") (result i32) i32.const 0) {more})
            (core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (instance $cli (export "run" (func $run)))
            (export "wasi:cli/run@0.2.0" (instance $cli)))"#
    );
    wat::parse_str(text).unwrap()
}

/// A command that the engine cannot start.
pub fn trapping() -> Vec<u8> {
    command("(func $trap unreachable) (start $trap)")
}

/// Machine code, as the compiler makes it.
pub fn machine_code(form: Form, binary: &[u8]) -> Vec<u8> {
    let precompiler = sandbox::Precompiler::new(Metering::Off, false).unwrap();
    precompiler.compile(form, binary).unwrap()
}

/// An unsigned number as WebAssembly writes it.
fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id][..], &leb(content.len()), content].concat()
}

/// A module of WASI preview 1 with these functions beside `_start`, each with one
/// parameter. Made byte by byte: as text it would take longer than to compile.
pub fn module(bodies: &[Vec<u8>]) -> Vec<u8> {
    let count = leb(bodies.len() + 1);
    let types = b"\x02\x60\x00\x00\x60\x01\x7f\x00";
    let functions = [&count[..], b"\x00", &b"\x01".repeat(bodies.len())].concat();
    let exports = b"\x02\x06memory\x02\x00\x06_start\x00\x00";
    let mut code = [&count[..], b"\x02\x00\x0b"].concat();
    for body in bodies {
        code.extend(leb(body.len() + 2));
        code.extend_from_slice(b"\x00");
        code.extend_from_slice(body);
        code.push(0x0b);
    }
    [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, types),
        section(3, &functions),
        section(5, b"\x01\x00\x01"),
        section(7, exports),
        section(10, &code),
    ]
    .concat()
}

/// A function of this many blocks, which takes time with the square of them.
pub fn blocks(count: usize) -> Vec<u8> {
    b"\x20\x00\x04\x40\x0b".repeat(count)
}

/// A function of this many jumps to 5000 places each, which takes memory.
fn jumps(count: usize) -> Vec<u8> {
    let table = [leb(5000), leb(0).repeat(5000), leb(0)].concat();
    let jump = [&b"\x02\x40\x20\x00\x0e"[..], &table, b"\x0b"].concat();
    jump.repeat(count)
}

#[test]
fn components_and_modules_are_compiled_beside_us_and_run() {
    let place = tempfile::tempdir().unwrap();
    let engine = engine(
        compiler(program(), CompileLimits::default()),
        Some(place.path()),
    );
    tokio().block_on(async {
        runs(run(&engine, ANNA, &command("")).await);
        runs(run(&engine, ANNA, &module(&[])).await);
        // With several threads.
        runs(run(&engine, ANNA, &module(&vec![blocks(5); 1000])).await);
        // What the engine says of one that is not valid.
        let mut wrong = command("");
        let at = wrong.len() / 2;
        wrong[at] ^= 0xff;
        let why = refused(run(&engine, ANNA, &wrong).await);
        assert!(why.starts_with("the component is not valid: "), "{why}");
    });
}

#[test]
fn a_component_that_takes_too_long_to_compile_is_refused() {
    let limits = CompileLimits {
        time: Duration::from_secs(1),
        ..Default::default()
    };
    let engine = honest(limits);
    tokio().block_on(async {
        for bomb in [
            module(&[blocks(130_000)]),
            module(&vec![blocks(40); 60_000]),
        ] {
            let started = Instant::now();
            let why = refused(run(&engine, ANNA, &bomb).await);
            assert_eq!(why, "the component takes longer than 1 s to compile");
            let took = started.elapsed();
            assert!(took < Duration::from_secs(3), "{took:?}");
        }
        runs(run(&engine, ANNA, &module(&[blocks(500)])).await);
    });
}

#[test]
fn a_component_that_takes_too_much_memory_to_compile_is_refused() {
    let limits = CompileLimits {
        memory: 384 << 20,
        ..Default::default()
    };
    let engine = honest(limits);
    tokio().block_on(async {
        let why = refused(run(&engine, ANNA, &module(&[jumps(100)])).await);
        let expected = "the component takes more than 384 MiB of memory to compile";
        assert_eq!(why, expected);
        runs(run(&engine, ANNA, &module(&[jumps(1)])).await);
    });
}

#[test]
fn a_component_that_makes_too_much_machine_code_is_refused() {
    let limits = CompileLimits {
        code: 1 << 20,
        ..Default::default()
    };
    let engine = honest(limits);
    tokio().block_on(async {
        let why = refused(run(&engine, ANNA, &module(&vec![blocks(40); 5000])).await);
        let expected = "the component makes more than 1 MiB of machine code";
        assert_eq!(why, expected);
        runs(run(&engine, ANNA, &module(&vec![blocks(40); 5])).await);
    });
}

/// Sections and counts without end, and what they are refused with.
#[test]
fn components_with_endless_sections_are_refused() {
    let engine = honest(CompileLimits::default());
    let component = |sections: &[Vec<u8>]| {
        let header = b"\0asm\x0d\0\x01\0".to_vec();
        [&[header][..], sections].concat().concat()
    };
    let core = |sections: &[Vec<u8>]| {
        let header = b"\0asm\x01\0\0\0".to_vec();
        [&[header][..], sections].concat().concat()
    };
    let many = |count: usize, item: &[u8]| [leb(count), item.repeat(count)].concat();
    let types = |count| section(1, &many(count, b"\x60\x00\x00"));
    let imports = |count: usize| {
        let mut content = leb(count);
        for number in 0..count {
            let name = format!("{number:x}");
            content.extend([b"\x01m", &leb(name.len())[..], name.as_bytes(), b"\x00\x00"].concat());
        }
        section(2, &content)
    };
    let exports = |count: usize| {
        let mut content = leb(count);
        for number in 0..count {
            let name = format!("{number:x}");
            content.extend([&leb(name.len())[..], name.as_bytes(), b"\x00\x00"].concat());
        }
        section(7, &content)
    };
    let one_function = || [section(3, b"\x01\x00"), section(10, b"\x01\x02\x00\x0b")];
    let nested = |depth: usize| {
        let mut inner = component(&[]);
        for _ in 0..depth {
            inner = component(&[section(4, &inner)]);
        }
        inner
    };
    let siblings = |count: usize| component(&vec![section(4, &component(&[])); count]);
    let custom = |declared: usize| {
        [
            component(&[]),
            vec![0],
            leb(declared),
            b"\x04nameabcdef".to_vec(),
        ]
        .concat()
    };
    let names = section(0, &[b"\x04name".to_vec(), vec![0; 50 << 20]].concat());
    tokio().block_on(async {
        for (what, binary) in [
            ("types", core(&[types(1_000_001)])),
            ("types declared", core(&[section(1, &leb(1_000_000_000))])),
            ("imports", core(&[types(1), imports(1_000_001)])),
            (
                "exports",
                core(&[
                    types(1),
                    one_function()[0].clone(),
                    exports(1_000_001),
                    one_function()[1].clone(),
                ]),
            ),
            ("components in each other", nested(3_000)),
            ("components beside each other", siblings(100_000)),
            ("a custom section that is not there", custom(1 << 30)),
        ] {
            let started = Instant::now();
            let why = refused(run(&engine, ANNA, &binary).await);
            assert!(
                ["is not valid", "exports neither"]
                    .iter()
                    .any(|part| why.contains(part)),
                "{what}: {why}"
            );
            let took = started.elapsed();
            assert!(took < Duration::from_secs(10), "{what}: {took:?}");
        }
        // Large, and nobody is harmed.
        let fits = [module(&[]), names].concat();
        runs(run(&engine, ANNA, &fits).await);
    });
}

#[test]
fn a_caller_with_a_bomb_keeps_no_other_waiting() {
    let engine = honest(CompileLimits {
        time: Duration::from_secs(5),
        ..Default::default()
    });
    tokio().block_on(async {
        let bombs = (0..3).map(|number| {
            let bomb = module(&[blocks(130_000), blocks(number)]);
            let engine = engine.clone();
            async move { run(&engine, ANNA, &bomb).await }
        });
        let bombs = futures_util::future::join_all(bombs);
        let other = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let started = Instant::now();
            runs(run(&engine, BERT, &command("")).await);
            started.elapsed()
        };
        tokio::select! {
            _ = bombs => panic!("the bombs were first"),
            took = other => assert!(took < Duration::from_secs(2), "{took:?}"),
        }
    });
}

#[test]
fn a_component_is_compiled_once_for_each_caller() {
    let place = tempfile::tempdir().unwrap();
    let count = || {
        let entries = std::fs::read_dir(place.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| name.starts_with("component-") && name.ends_with(".cwasm"))
            .count()
    };
    let honest = || {
        let compiler = compiler(program(), CompileLimits::default());
        engine(compiler, Some(place.path()))
    };
    tokio().block_on(async {
        let engine = honest();
        runs(run(&engine, ANNA, &command("")).await);
        runs(run(&engine, ANNA, &command("")).await);
        runs(run(&honest(), ANNA, &command("")).await);
        assert_eq!(count(), 1);
        runs(run(&engine, BERT, &command("")).await);
        assert_eq!(count(), 2);
    });
}

#[test]
fn machine_code_is_handed_to_another_engine_and_runs_there() {
    let place = tempfile::tempdir().unwrap();
    let coordinator = engine(
        compiler(program(), CompileLimits::default()),
        Some(place.path()),
    );
    tokio().block_on(async {
        for binary in [command(""), module(&[])] {
            let mut handed = Vec::new();
            // Made now, from memory, and from disk.
            for engine in [
                coordinator.clone(),
                coordinator.clone(),
                engine(
                    compiler("/nowhere", CompileLimits::default()),
                    Some(place.path()),
                ),
            ] {
                let made = engine.artifact(binary.clone().into(), Metering::Off, ANNA);
                handed.push(made.await.unwrap());
            }
            for artifact in handed {
                let worker = Engine::new(EngineOptions::default()).unwrap();
                let mounts = Mounts::new(&Workspace::new(Quota::default()));
                let mut sandbox = Sandbox::new(worker, Arc::default(), mounts);
                let (requests, _to_coordinator) = unbounded_channel();
                let (_to_sandbox, answers) = unbounded_channel();
                let channel = Channel { requests, answers };
                // SAFETY: `artifact` says so of the file.
                let arrived =
                    unsafe { Artifact::of_file(artifact.form(), artifact.file().unwrap()) };
                let program = Program::component([]);
                let limits = Limits::default();
                let ran = sandbox.run_artifact(&arrived, &program, &limits, channel);
                runs(ran.await.end);
            }
        }
        // What is wrong is said before anything is handed over.
        let made = coordinator.artifact(Arc::from(&b"\x7fELF"[..]), Metering::Off, ANNA);
        match made.await {
            Err(RunError::Refused(refusal)) => assert_eq!(
                refusal.message,
                "this is compiled native code, which is never loaded"
            ),
            other => panic!("{other:?}"),
        }
    });
}

/// A compiler that must not be asked.
struct Unasked;

impl Compiler for Unasked {
    fn compile(&self, job: Job) -> sandbox::Compiling<'_> {
        panic!("asked to compile {} bytes", job.bytes.len());
    }
}

#[test]
fn machine_code_and_text_never_reach_a_compiler() {
    let engine = engine(Arc::new(Unasked), None);
    let code = machine_code(Form::Component, &command(""));
    let native = "this is compiled native code, which is never loaded";
    let text = "this is not a WebAssembly component, but WebAssembly as text";
    let other = "this is not a WebAssembly component";
    tokio().block_on(async {
        for (bytes, expected) in [
            (&code[..], native),
            (&machine_code(Form::Module, &module(&[])), native),
            (&std::fs::read(program()).unwrap()[..4096], native),
            (b"\xcf\xfa\xed\xfe\x07\x00\x00\x01", native),
            (b"MZ\x90\x00", native),
            (b"(component)", text),
            (b"  ;; a module\n(module)", text),
            (b"", other),
            (b"\0asm", other),
            (b"\0asm\x0d\0\0\0", other),
            (b"\0asm\x01\0\x01\0", other),
            (b"not at all", other),
        ] {
            assert_eq!(refused(run(&engine, ANNA, bytes).await), expected);
        }
    });
}

#[test]
fn a_bound_is_kept_before_a_compiler_is_asked() {
    let engine = engine(Arc::new(Unasked), None);
    let large = module(&[blocks(200_000)]);
    let why = tokio().block_on(async { refused(run(&engine, ANNA, &large).await) });
    assert!(
        why.contains("functions that are too large to compile"),
        "{why}"
    );
}

#[test]
fn what_is_told_of_a_failure_is_one_sentence() {
    let second = Duration::from_secs(1);
    for (error, expected) in [
        (
            NotCompiled::Invalid("is not valid: x".into()),
            "the component is not valid: x",
        ),
        (
            NotCompiled::Time(second),
            "the component takes longer than 1 s to compile",
        ),
        (
            NotCompiled::Memory(4 << 30),
            "the component takes more than 4096 MiB of memory to compile",
        ),
        (
            NotCompiled::Busy(second),
            "the component is not compiled: others before it took longer than 1 s",
        ),
    ] {
        assert_eq!(error.to_string(), expected);
    }
}
