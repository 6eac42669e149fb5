//! Names of tools in programs.
