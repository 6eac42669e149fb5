//! Running a target for a while with inputs by chance.
//!
//! A failure prints what it takes to see it again: the seed, which gives the same
//! inputs in the same order, and a file with the one that failed.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::memory;
use crate::mutate::{self, Random};

/// Something that reads what a stranger writes, and judges what came of it.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: that of its file.
    pub name: &'static str,
    /// Reads an input. Panics if what came of it is wrong.
    pub run: fn(&[u8]),
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// What means something in its inputs.
    pub words: &'static [&'static str],
    /// The longest input, in bytes.
    pub longest: usize,
    /// The most memory that an input of this length may take at once.
    pub memory: fn(usize) -> usize,
}

/// How long each target runs if nobody says.
const SECONDS: f64 = 2.0;

/// The longest that one input may take.
const STUCK: Duration = Duration::from_secs(20);

/// How often that is looked at.
const TICK: Duration = Duration::from_millis(200);

/// How many seconds, in place of those above.
const SECONDS_VARIABLE: &str = "WASM_COORDINATOR_FUZZ_SECONDS";
/// The seed, in place of a new one.
const SEED_VARIABLE: &str = "WASM_COORDINATOR_FUZZ_SEED";
/// A file with the only input to run.
const INPUT_VARIABLE: &str = "WASM_COORDINATOR_FUZZ_INPUT";

impl Target {
    /// Runs one input, and judges how much memory it took.
    pub fn judge(&self, input: &[u8]) {
        let input = &input[..input.len().min(self.longest)];
        let ((), peak) = memory::peak(|| (self.run)(input));
        let most = (self.memory)(input.len());
        assert!(
            peak <= most,
            "{peak} bytes of memory for an input of {}, more than {most}",
            input.len()
        );
    }
}

/// Runs a target with new inputs for some seconds.
///
/// # Panics
///
/// When an input is not read as it should be; it is in a file then.
pub fn run_for_a_while(target: &Target) {
    let variable = |name| std::env::var(name).ok();
    if let Some(path) = variable(INPUT_VARIABLE) {
        let input = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        return target.judge(&input);
    }
    let seconds = variable(SECONDS_VARIABLE).map_or(SECONDS, |seconds| {
        seconds.parse().expect("a number of seconds")
    });
    let seed = variable(SEED_VARIABLE).map_or_else(new_seed, |seed| {
        seed.parse().expect("the number that was printed")
    });
    let seeds = (target.seeds)();
    let mut running = Running::start(target, seed);
    for input in &seeds {
        running.judge(input);
    }
    let mut random = Random::new(seed);
    let until = Instant::now() + Duration::from_secs_f64(seconds);
    while Instant::now() < until {
        let input = mutate::input(&mut random, &seeds, target.words, target.longest);
        running.judge(&input);
    }
    println!("{}: {} inputs, seed {seed}", target.name, running.inputs);
}

fn new_seed() -> u64 {
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).expect("the system has random numbers");
    // Short, because people copy it.
    u64::from_le_bytes(seed) >> 24
}

/// A target that runs.
struct Running<'a> {
    target: &'a Target,
    seed: u64,
    inputs: u64,
    current: Arc<Mutex<Current>>,
}

/// The input that is read now, and since when; `None` at the end.
type Current = Option<(Instant, Vec<u8>)>;

impl<'a> Running<'a> {
    fn start(target: &'a Target, seed: u64) -> Self {
        let current = Arc::new(Mutex::new(Some((Instant::now(), Vec::new()))));
        let watched = Arc::clone(&current);
        let name = target.name;
        // An input that is read for ever, or ends the process, is shown too.
        std::thread::spawn(move || {
            let (mut seen, mut ticks) = (Instant::now(), 0);
            loop {
                // Not held while it sleeps: every input waits for it.
                match &*lock(&watched) {
                    None => return,
                    Some((since, input)) => {
                        ticks = if seen == *since { ticks + 1 } else { 0 };
                        seen = *since;
                        // By ticks: whoever stops this process for a while stops both.
                        if TICK * ticks > STUCK {
                            show(name, seed, input, "it is read without end");
                            std::process::abort();
                        }
                    }
                }
                std::thread::sleep(TICK);
            }
        });
        Self {
            target,
            seed,
            inputs: 0,
            current,
        }
    }

    fn judge(&mut self, input: &[u8]) {
        *lock(&self.current) = Some((Instant::now(), input.to_vec()));
        self.inputs += 1;
        let judged = catch_unwind(AssertUnwindSafe(|| self.target.judge(input)));
        if let Err(panic) = judged {
            let which = format!("input {} of this seed", self.inputs);
            show(self.target.name, self.seed, input, &which);
            resume_unwind(panic);
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        *lock(&self.current) = None;
    }
}

fn lock(current: &Mutex<Current>) -> MutexGuard<'_, Current> {
    current.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says how to see a failure again.
fn show(name: &str, seed: u64, input: &[u8], what: &str) {
    let path: PathBuf = std::env::temp_dir().join(format!("wasm-coordinator-fuzz-{name}-{seed}"));
    let kept = match std::fs::write(&path, input) {
        Ok(()) => path.display().to_string(),
        Err(error) => format!("(not kept: {error})"),
    };
    eprintln!(
        "fuzz target `{name}` failed, seed {seed}: {what}: {:?}\n\
         again: {INPUT_VARIABLE}={kept} cargo test --workspace --test fuzz {name}\n\
         all of the seed: {SEED_VARIABLE}={seed} cargo test --workspace --test fuzz {name}",
        String::from_utf8_lossy(&input[..input.len().min(400)]),
    );
}
