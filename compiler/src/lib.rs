//! The Twin compiler.
