//! The tests: which there are, and how they went.

use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use contract::isolation::Layer;
use worker::confine::Profile;

use crate::coordinator::{Coordinator, Event, Outcome, Setting, System};
use crate::threats::{self, Sign, Threat};
use crate::{allowed, compiler, layers, user};

/// A test, and what it found.
struct Test {
    name: String,
    run: Run,
}

type Run = Box<dyn Fn(&Coordinator) -> io::Result<Verdict>>;

enum Verdict {
    Passed,
    Failed(String),
    /// This system cannot show it.
    Ignored(String),
}

/// How many tests went how.
#[derive(Default)]
struct Counts {
    passed: usize,
    failed: usize,
    ignored: usize,
    filtered_out: usize,
}

/// Runs the tests whose names hold one of the arguments, or all: as whoever runs
/// this and, if that is root, once more as somebody without privileges.
pub fn run(arguments: &[String]) -> ExitCode {
    let names: Vec<&String> = arguments.iter().filter(|it| !it.starts_with('-')).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        for test in chosen(&names).0 {
            println!("{}: test", test.name);
        }
        return ExitCode::SUCCESS;
    }
    println!("\nrunning tests of isolation");
    let start = Instant::now();
    let program = user::program_of_another().expect("a program");
    let path = program.as_ref().map(|(path, _)| path.clone());
    let other = path
        .as_ref()
        .map(|path| user::again("as-user", path, &names).expect("this program starts"));
    let mut counts = run_all(&names, path);
    if let Some(mut other) = other {
        let lines = BufReader::new(other.stdout.take().expect("it is piped")).lines();
        for line in lines.map_while(Result::ok) {
            match line.strip_prefix(COUNTS) {
                Some(theirs) => counts.add(theirs),
                None => println!("{line}"),
            }
        }
        if !other.wait().is_ok_and(|status| status.success()) {
            counts.failed += 1;
            println!("failed: the tests as a user");
        }
    }
    let Counts {
        passed,
        failed,
        ignored,
        filtered_out,
    } = counts;
    let result = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {result}. {passed} passed; {failed} failed; {ignored} ignored; 0 measured; {filtered_out} filtered out; finished in {:.2}s\n",
        start.elapsed().as_secs_f64()
    );
    ExitCode::from(u8::from(failed != 0))
}

/// Before the line with which the tests of a user end.
const COUNTS: &str = "counts: ";

/// Runs as somebody without privileges, started by root.
pub fn run_as_user(arguments: &[String]) -> ExitCode {
    let (set_user_id, names) = arguments.split_first().expect("root says which program");
    let names: Vec<&String> = names.iter().collect();
    let counts = run_all(&names, Some(set_user_id.into()));
    let Counts {
        passed,
        failed,
        ignored,
        filtered_out,
    } = counts;
    println!("{COUNTS}{passed} {failed} {ignored} {filtered_out}");
    ExitCode::SUCCESS
}

impl Counts {
    fn add(&mut self, counts: &str) {
        let own = [
            &mut self.passed,
            &mut self.failed,
            &mut self.ignored,
            &mut self.filtered_out,
        ];
        for (own, theirs) in own.into_iter().zip(counts.split(' ')) {
            *own += theirs.parse::<usize>().expect("a number");
        }
    }
}

/// The tests with one of these names, and how many others there are.
fn chosen(names: &[&String]) -> (Vec<Test>, usize) {
    let mut tests = all();
    let count = tests.len();
    tests.retain(|test| names.is_empty() || names.iter().any(|name| test.name.contains(*name)));
    let others = count - tests.len();
    (tests, others)
}

fn run_all(names: &[&String], set_user_id: Option<PathBuf>) -> Counts {
    let coordinator = Coordinator::new(set_user_id).expect("things to attack");
    let (tests, filtered_out) = chosen(names);
    let mut counts = Counts {
        filtered_out,
        ..Counts::default()
    };
    for test in tests {
        let (count, result) = match (test.run)(&coordinator) {
            Ok(Verdict::Passed) => (&mut counts.passed, "ok".to_owned()),
            Ok(Verdict::Ignored(reason)) => (&mut counts.ignored, format!("ignored, {reason}")),
            Ok(Verdict::Failed(reason)) => (&mut counts.failed, format!("FAILED: {reason}")),
            Err(error) => (&mut counts.failed, format!("FAILED: {error}")),
        };
        *count += 1;
        println!("test {} ... {result}", test.name);
    }
    counts
}

fn all() -> Vec<Test> {
    let mut tests = Vec::new();
    let who = if user::is_root() { "root" } else { "user" };
    for profile in [Profile::Guests, Profile::Disk, Profile::Component] {
        let within = layers::profile_name(profile);
        for threat in threats::all() {
            let setting = Setting::whole(profile);
            tests.push(Test {
                name: format!("{who}::{within}::{}", threat.name),
                run: Box::new(move |coordinator| refused(coordinator, &setting, threat)),
            });
        }
    }
    for threat in threats::all().filter(|threat| compiler::can_be_tried(threat)) {
        tests.push(Test {
            name: format!("{who}::compiler::{}", threat.name),
            run: Box::new(move |coordinator| {
                let outcome = compiler::attempt(coordinator.scene(), threat)?;
                Ok(match outcome {
                    Ok(gained) => Verdict::Failed(format!("it worked: {gained}")),
                    Err(reason) if reason.starts_with("not confined") => Verdict::Failed(reason),
                    Err(_) => Verdict::Passed,
                })
            }),
        });
    }
    for threat in threats::all() {
        tests.push(Test {
            name: format!("{who}::unconfined::{}", threat.name),
            run: Box::new(move |coordinator| works(coordinator, threat)),
        });
        let mut setting = Setting::whole(Profile::Guests);
        setting.system = System::OldContainer;
        tests.push(Test {
            name: format!("{who}::old_container::{}", threat.name),
            run: Box::new(move |coordinator| refused(coordinator, &setting, threat)),
        });
    }
    for (layer, needed, threats) in HELD_BY {
        let name = layers::name(*layer);
        let kept: Vec<Layer> = needed.iter().copied().chain([*layer]).collect();
        for threat in threats.iter().map(|threat| threats::named(threat)) {
            let mut setting = Setting::whole(Profile::Guests);
            setting.skip = layers::every_but(&kept);
            tests.push(Test {
                name: format!("{who}::only_{name}::{}", threat.name),
                run: Box::new(move |coordinator| held(coordinator, &setting, threat, name)),
            });
        }
    }
    for twin in allowed::ALL {
        tests.push(Test {
            name: format!("{who}::allowed::{}", twin.name),
            run: Box::new(move |coordinator| {
                let setting = Setting::whole(twin.profile);
                let trial = format!("allowed:{}", twin.name);
                let outcome =
                    coordinator.try_in_worker(&setting, &trial, Sign::Word, twin.event)?;
                Ok(expect(outcome == (twin.expected)(), || outcome.to_string()))
            }),
        });
    }
    for (name, run) in REPORTS {
        tests.push(Test {
            name: format!("{who}::reports::{name}"),
            run: Box::new(run),
        });
    }
    tests
}

/// Threats that a layer stops without the others, apart from the one that it
/// needs.
const HELD_BY: &[(Layer, &[Layer], &[&str])] = &[
    (Layer::Process, &[], &["read_the_memory_of_another_session"]),
    (
        Layer::Environment,
        &[],
        &[
            "read_the_environment_in_memory",
            "read_the_own_environment_in_proc",
        ],
    ),
    (
        Layer::Descriptors,
        &[],
        &[
            "read_a_descriptor_that_was_left_open",
            "type_into_the_terminal",
        ],
    ),
    (
        Layer::NoNewPrivileges,
        &[],
        &["become_another_user_by_a_program", "have_privileges"],
    ),
    (
        Layer::UserNamespace,
        &[],
        &[
            "read_the_environment_of_the_coordinator",
            "read_the_memory_of_the_coordinator",
            "trace_the_coordinator",
            "make_a_user_namespace",
        ],
    ),
    (
        Layer::NetworkNamespace,
        &[Layer::UserNamespace],
        &[
            "connect_to_a_server",
            "send_a_packet",
            "connect_to_a_socket_by_name",
        ],
    ),
    (
        Layer::IpcNamespace,
        &[Layer::UserNamespace],
        &["read_shared_memory_of_the_host", "read_a_queue_of_the_host"],
    ),
    (
        Layer::PidNamespace,
        &[Layer::UserNamespace],
        &[
            "signal_the_coordinator",
            "signal_the_launcher",
            "signal_a_sibling",
            "read_the_memory_of_a_sibling",
            "limit_the_coordinator",
        ],
    ),
    (
        Layer::Landlock,
        &[Layer::NoNewPrivileges],
        &[
            "read_a_host_file",
            "list_a_host_folder",
            "write_a_host_file",
            "remove_a_host_file",
            "execute_a_program",
            "connect_to_a_server",
            "listen_for_connections",
            "connect_to_a_socket_by_name",
            "trace_the_launcher",
            "trace_a_sibling",
            "signal_the_launcher",
            "signal_a_sibling",
            "signal_the_coordinator",
        ],
    ),
    (
        Layer::Seccomp,
        &[Layer::NoNewPrivileges],
        &[
            "fork",
            "start_a_thread",
            "execute_memory",
            "make_memory_executable",
            "use_a_ring_of_system_calls",
            "handle_page_faults",
            "keep_a_key_in_the_kernel",
            "make_a_user_namespace",
            "learn_that_a_host_file_exists",
        ],
    ),
    (
        Layer::ResourceLimits,
        &[],
        &[
            "take_memory_without_end",
            "open_descriptors_without_end",
            "grow_a_file_without_end",
        ],
    ),
    (
        Layer::NoCoreDump,
        // Of root's privileges one is to trace.
        &[Layer::NoNewPrivileges],
        &[
            "leave_memory_on_the_disk",
            "trace_the_launcher",
            "trace_a_sibling",
        ],
    ),
    (Layer::DeathWithParent, &[], &["outlive_the_coordinator"]),
];

fn expect(is_so: bool, otherwise: impl FnOnce() -> String) -> Verdict {
    if is_so {
        Verdict::Passed
    } else {
        Verdict::Failed(otherwise())
    }
}

fn attempt(coordinator: &Coordinator, setting: &Setting, threat: &Threat) -> io::Result<Outcome> {
    coordinator.try_in_worker(setting, threat.name, threat.sign, Event::Nothing)
}

/// Confined it fails, unless the profile is there for it.
fn refused(coordinator: &Coordinator, setting: &Setting, threat: &Threat) -> io::Result<Verdict> {
    let outcome = attempt(coordinator, setting, threat)?;
    let is_granted = threat.granted.contains(&setting.profile);
    Ok(expect(outcome.worked() == is_granted, || {
        outcome.to_string()
    }))
}

/// A layer stops it, if this system has the layer.
fn held(
    coordinator: &Coordinator,
    setting: &Setting,
    threat: &Threat,
    layer: &str,
) -> io::Result<Verdict> {
    let outcome = attempt(coordinator, setting, threat)?;
    if !outcome.worked() {
        return Ok(Verdict::Passed);
    }
    let report = report(coordinator, setting)?;
    let off = format!("{layer}: off");
    let missing = report.lines().find(|line| line.starts_with(&off));
    Ok(match missing {
        Some(reason) => Verdict::Ignored(reason.to_owned()),
        None => Verdict::Failed(outcome.to_string()),
    })
}

/// Where nothing confines it, it works.
fn works(coordinator: &Coordinator, threat: &Threat) -> io::Result<Verdict> {
    let mut setting = Setting::whole(Profile::Guests);
    setting.skip = layers::every();
    match attempt(coordinator, &setting, threat)? {
        Outcome::Worked(_) => Ok(Verdict::Passed),
        outcome if threat.needs_root && !user::is_root() => Ok(Verdict::Ignored(format!(
            "this system refuses it to users: {outcome}"
        ))),
        Outcome::Refused(reason) if threat.is_optional => Ok(Verdict::Ignored(format!(
            "this system has not got it: {reason}"
        ))),
        outcome => Ok(Verdict::Failed(outcome.to_string())),
    }
}

type Report = fn(&Coordinator) -> io::Result<Verdict>;

const REPORTS: [(&str, Report); 4] = [
    ("each_layer_is_reported_in_order", |coordinator| {
        let report = report(coordinator, &Setting::whole(Profile::Guests))?;
        let names = report.lines().filter_map(|line| line.split(':').next());
        let expected = layers::ALL.iter().map(|(_, name)| *name);
        Ok(expect(names.eq(expected), || report.clone()))
    }),
    ("all_layers_hold_on_this_system", |coordinator| {
        let report = report(coordinator, &Setting::whole(Profile::Guests))?;
        Ok(expect(!report.contains(": off"), || report.clone()))
    }),
    ("a_layer_that_is_left_out_is_reported", |coordinator| {
        for (layer, name) in layers::ALL {
            let mut setting = Setting::whole(Profile::Guests);
            setting.skip = vec![layer];
            let report = report(coordinator, &setting)?;
            let off = format!("{name}: off (left out by a test)");
            if layer != Layer::Process && !report.lines().any(|line| line == off) {
                return Ok(Verdict::Failed(report));
            }
        }
        Ok(Verdict::Passed)
    }),
    ("what_a_container_does_not_offer_is_said", |coordinator| {
        let mut setting = Setting::whole(Profile::Guests);
        setting.system = System::OldContainer;
        let report = report(coordinator, &setting)?;
        let said = [
            "user_namespace: off (not permitted: usually the seccomp profile of a container, or a changed root)",
            "network_namespace: off (needs a user namespace, or root)",
            "landlock: off (this kernel is built without it (Linux 5.13 has it))",
            "seccomp: on",
            "descriptors: on",
        ];
        let is_said = |line: &&str| report.lines().any(|found| found == *line);
        Ok(expect(said.iter().all(is_said), || report.clone()))
    }),
];

fn report(coordinator: &Coordinator, setting: &Setting) -> io::Result<String> {
    let outcome =
        coordinator.try_in_worker(setting, "allowed:report", Sign::Word, Event::Nothing)?;
    match outcome {
        Outcome::Worked(report) => Ok(report),
        other => Err(io::Error::other(other.to_string())),
    }
}
