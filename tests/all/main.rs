//! All integration tests, in one program so that it is linked once.
//!
//! They use the command line and the library from outside, with real MCP
//! servers, real guests and real files. `tests/run` installs the servers.

mod harness;

mod cli;
mod client;
mod clients;
mod components;
mod configuration;
mod conformance;
mod consent;
mod contributing;
mod corpus;
mod current_directory;
mod dialects;
mod docs;
mod emit;
mod examples;
mod failures;
mod faults;
mod files;
mod finding;
mod first_attempts;
mod guests;
mod hostile_answers;
mod hostile_files;
mod hostile_limits;
mod hostile_tools;
mod http;
mod imports;
mod input;
mod inspector;
mod isolation;
mod javascript;
mod javascript_calls;
mod javascript_language;
mod javascript_locale;
mod javascript_node;
mod library;
mod limits;
mod native;
mod operating;
mod pass_through;
mod preview1;
mod proposals;
mod python;
mod resources;
mod resources_and_prompts;
mod search;
mod servers;
mod serving;
mod serving_hostile;
mod snippets;
mod starting;
mod stubs;
mod terminal;
mod tidy;
mod token_economy;
mod tools;
mod tree;
mod typed;
mod values;
mod walls;
mod workspace;
