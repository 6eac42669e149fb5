//! The whole path from text to meaning, and every error as it is printed.
