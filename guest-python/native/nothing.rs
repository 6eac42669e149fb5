//! Nothing: this package only brings sources.
