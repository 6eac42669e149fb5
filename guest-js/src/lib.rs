//! The guest for JavaScript and TypeScript.
//!
//! A pump, as `wit/sandbox.wit` demands: `run` and `resume` execute until the
//! program ends or waits for something outside, then return; between them no
//! frame of the guest is alive. QuickJS runs the program; [`source`] turns
//! what people write into a script for it; the JavaScript in `js/` gives it
//! the names people expect. The engine is made before the guest is shipped
//! (`guest-initialise`) and its memory is part of the component.
//!
//! The modules are layers: each uses only those above it in this list.
//!
//! 1. `address`, `edits`, `random`, `reserve`, `text`: texts, numbers, memory;
//!    they know nothing of each other.
//! 2. `frames`: positions in the texts that `edits` changed.
//!    `erase`, `references`, then `source`: from a program's text to a script,
//!    and to what it refers to. None knows the engine.
//! 3. `engine`: the runtime and its context. It is given the loader of modules
//!    and the native functions; it knows neither.
//! 4. `json`: JSON of strangers, read with the engine.
//!    `files`, `tools`: what the host has, as native functions.
//!    `hashes`, `zones`: what libraries have, as native functions.
//! 5. `modules`: imports, from `files` and through `source` into the `engine`.
//! 6. `natives`: all native functions, for the JavaScript in `js/`.
//! 7. `session`: programs, with everything above; `lib` puts it together.

mod address;
mod edits;
mod engine;
mod erase;
mod files;
mod frames;
mod hashes;
mod json;
mod modules;
mod natives;
mod random;
mod references;
mod reserve;
mod session;
mod source;
mod text;
mod tools;
mod zones;

mod bindings {
    wit_bindgen::generate!({ path: "../wit", world: "reading-guest", pub_export_macro: true });
}

use bindings::wasm_coordinator::sandbox::types;

struct Component;

impl bindings::Guest for Component {
    fn run(program: types::Program) -> types::Step {
        session::run(program)
    }

    fn references(program: types::Program) -> Vec<types::Reference> {
        session::references(&program)
    }

    fn resume(completions: Vec<types::Completion>) -> types::Step {
        session::resume(completions)
    }
}

bindings::export!(Component with_types_in bindings);

/// Makes the engine. Called once, when the guest is built.
#[unsafe(export_name = "guest-initialise")]
extern "C" fn initialise() {
    // The constructors of the C library; the snapshot remembers that they ran.
    #[cfg(target_arch = "wasm32")]
    wit_bindgen::rt::run_ctors_once();
    engine::initialise(modules::Modules, session::natives);
    reserve::fill();
}
