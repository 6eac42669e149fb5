//! What a confined worker does, and must be able to: the twins of the threats.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::FromRawFd;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use cap_std::fs::{Dir, OpenOptions};
use wasmtime::{Config, Enabled, Engine, Instance, InstanceAllocationStrategy, Module};
use wasmtime::{PoolingAllocationConfig, Store};
use worker::confine::{ABORTED, Profile};

use crate::coordinator::{Event, Outcome};
use crate::scene::Scene;

/// Something that works in a worker.
pub struct Twin {
    pub name: &'static str,
    pub profile: Profile,
    pub attempt: fn(&Scene) -> io::Result<String>,
    pub expected: fn() -> Outcome,
    pub event: Event,
}

const fn twin(name: &'static str, attempt: fn(&Scene) -> io::Result<String>) -> Twin {
    Twin {
        name,
        profile: Profile::Guests,
        attempt,
        expected: || Outcome::Worked(String::new()),
        event: Event::Nothing,
    }
}

impl Twin {
    const fn with(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    const fn ends(mut self, expected: fn() -> Outcome) -> Self {
        self.expected = expected;
        self
    }

    const fn during(mut self, event: Event) -> Self {
        self.event = event;
        self
    }
}

pub const ALL: &[Twin] = &[
    twin("answers_its_session", |_| Ok(String::new())),
    twin("goes_on_without_the_launcher", |_| Ok(String::new())).during(Event::LauncherGone),
    twin("sleeps_although_it_is_stopped_meanwhile", |_| {
        let start = Instant::now();
        std::thread::sleep(Duration::from_millis(100));
        works(start.elapsed() >= Duration::from_millis(100))
    })
    .during(Event::Stopped),
    twin("runs_an_event_loop", event_loop),
    twin("takes_memory_and_gives_it_back", |_| {
        for size in [1 << 10, 1 << 20, 200 << 20] {
            let bytes = vec![1_u8; size];
            works(std::hint::black_box(&bytes).len() == size)?;
        }
        Ok(String::new())
    }),
    twin("has_random_numbers_of_its_own", |scene| {
        works(rand::random::<u64>() != scene.sibling_random)?;
        let numbers = HashMap::from([(1, 2)]);
        works(numbers[&1] == 2)
    }),
    twin("aborts_with_a_status", |_| std::process::abort()).ends(|| Outcome::Exited(ABORTED)),
    twin("panics_and_goes_on", |_| {
        let panicked = std::panic::catch_unwind(|| panic!("in a worker"));
        works(panicked.is_err())
    }),
    twin("crashes_as_a_crash", |_| {
        // SAFETY: it is meant to fail.
        unsafe { std::ptr::null_mut::<u8>().write_volatile(1) };
        Ok(String::new())
    })
    .ends(|| Outcome::Killed(libc::SIGSEGV)),
    twin("runs_a_module_that_was_loaded", |_| run_modules()),
    twin("runs_a_module_that_was_loaded_beside_a_workspace", |_| {
        run_modules()
    })
    .with(Profile::Disk),
    twin("loads_compiled_code_for_components", |_| load_code()).with(Profile::Component),
    twin("loads_no_compiled_code_for_guests", |_| load_code())
        .ends(|| Outcome::Killed(libc::SIGSYS)),
    twin("uses_a_workspace_in_a_directory", workspace).with(Profile::Disk),
];

pub fn named(name: &str) -> &'static Twin {
    let found = ALL.iter().find(|twin| twin.name == name);
    found.unwrap_or_else(|| panic!("there is no `{name}`"))
}

fn works(is_so: bool) -> io::Result<String> {
    if is_so {
        Ok(String::new())
    } else {
        Err(io::Error::other("it does not work"))
    }
}

fn event_loop(_: &Scene) -> io::Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (near, far) = tokio::net::UnixStream::pair()?;
        let late = tokio::time::timeout(Duration::from_millis(5), near.readable()).await;
        works(late.is_err())?;
        far.writable().await?;
        far.try_write(b"!")?;
        near.readable().await?;
        works(near.try_read(&mut [0; 2])? == 1)
    })
}

/// What the launcher has loaded.
static LOADED: OnceLock<(Engine, Module, Vec<u8>)> = OnceLock::new();

/// A module with a memory of some pages, that counts how often it was called in
/// each of them.
const MODULE: &str = r#"
    (module
      (memory (export "memory") 40)
      (data (i32.const 0) "image")
      (func (export "count") (param $page i32) (result i32)
        (local $at i32)
        (local.set $at (i32.add (i32.const 4096) (i32.mul (local.get $page) (i32.const 65536))))
        (i32.store (local.get $at) (i32.add (i32.load (local.get $at)) (i32.const 1)))
        (i32.load (local.get $at)))
      (func (export "trap") unreachable)
      (func (export "outside") (result i32) (i32.load (i32.const 0x7fffffff))))
"#;

/// Loads the engine as a launcher does, where the trial needs it.
pub fn load(trial: &str) {
    if !trial.contains("loaded") && !trial.contains("code") {
        return;
    }
    let mut pool = PoolingAllocationConfig::new();
    pool.total_memories(4)
        .total_core_instances(4)
        .linear_memory_keep_resident(64 << 20)
        .pagemap_scan(Enabled::Auto);
    let mut config = Config::new();
    config
        .parallel_compilation(false)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    let engine = Engine::new(&config).expect("an engine");
    let module = wat::parse_str(MODULE).expect("a module");
    let module = Module::new(&engine, module).expect("a module");
    let code = module.serialize().expect("compiled code");
    let loaded = (engine, module, code);
    // It has run before, as a guest has: its image is mapped, and a memory was
    // written and given back.
    run(&loaded.0, &loaded.1).expect("it runs in the launcher");
    assert!(LOADED.set(loaded).is_ok());
}

fn run_modules() -> io::Result<String> {
    let (engine, module, _) = LOADED.get().expect("it is loaded");
    // Each time in the memory of the last, which is as new.
    for _ in 0..5 {
        run(engine, module)?;
    }
    Ok(String::new())
}

fn run(engine: &Engine, module: &Module) -> io::Result<()> {
    let run = || -> wasmtime::Result<()> {
        let mut store = Store::new(engine, ());
        let instance = Instance::new(&mut store, module, &[])?;
        let count = instance.get_typed_func::<i32, i32>(&mut store, "count")?;
        for page in 1..40 {
            assert_eq!(count.call(&mut store, page)?, 1, "memory of the last run");
            assert_eq!(count.call(&mut store, page)?, 2);
        }
        for name in ["trap", "outside"] {
            let function = instance.get_func(&mut store, name).expect("it is exported");
            let mut results = vec![wasmtime::Val::I32(0); function.ty(&store).results().len()];
            assert!(
                function.call(&mut store, &[], &mut results).is_err(),
                "{name}"
            );
        }
        Ok(())
    };
    run().map_err(|error| io::Error::other(error.to_string()))
}

fn load_code() -> io::Result<String> {
    let (engine, _, code) = LOADED.get().expect("it is loaded");
    // SAFETY: this engine has made it, in this program.
    let module = unsafe { Module::deserialize(engine, code) };
    let module = module.map_err(|error| io::Error::other(error.to_string()))?;
    run(engine, &module).map(|()| String::new())
}

/// Everything that a workspace on disk does.
fn workspace(scene: &Scene) -> io::Result<String> {
    // SAFETY: nobody else here has this descriptor.
    let root = Dir::from_std_file(unsafe { File::from_raw_fd(scene.directory) });
    let name = format!(
        "run-{}",
        SystemTime::now().elapsed().map_or(0, |it| it.as_nanos())
    );
    root.create_dir_all(format!("{name}/one/two"))?;
    let folder = root.open_dir(&name)?;
    folder.write("one/file", b"content")?;
    let mut options = OpenOptions::new();
    let mut file = folder.open_with("one/file", options.read(true).write(true))?;
    file.write_all(b"C")?;
    file.set_len(4)?;
    file.sync_all()?;
    let times = std::fs::FileTimes::new().set_modified(SystemTime::UNIX_EPOCH);
    file.into_std().set_times(times)?;
    // To another folder, and over what is there.
    folder.write("one/two/file", b"old")?;
    folder.rename("one/file", &folder, "one/two/file")?;
    let mut text = String::new();
    folder.open("one/two/file")?.read_to_string(&mut text)?;
    works(text == "Cont")?;
    works(folder.metadata("one/two/file")?.len() == 4)?;
    works(folder.symlink_metadata("one")?.is_dir())?;
    works(folder.entries()?.count() == 1)?;
    folder.remove_file("one/two/file")?;
    folder.remove_dir("one/two")?;
    root.remove_dir_all(&name)?;
    works(root.open("planted-link").is_err())
}
