//! The two-image linker and the file formats shared by all of Twin.
//!
//! One module a phase, in this order: [`args`] (with [`options`] and [`words`]), [`input`], [`resolve`] (with [`half`] and [`objects`], which read
//! objects into the [`program`]), [`lto`], [`conventions`], [`synthetic`], [`gc`], [`eh_frame`], [`polls`], [`got`], [`layout`] (with
//! [`tls`] and [`merge`]), [`relocate`], [`verify`], [`output`], [`map`], [`trace`]; [`reproduce`] saves a job, [`relocatable`] makes an object instead. [`link`] runs them; [`isa`] holds what depends on an ISA, and
//! [`source`] finds source lines for messages. [`sigpipe`] is for the command-line tools, as are [`fat`] and [`image`]: the two file formats.
pub mod args;
pub mod conventions;
pub mod eh_frame;
pub mod errors;
pub mod fat;
pub mod gc;
pub mod got;
pub mod half;
pub mod ids;
pub mod image;
pub mod input;
pub mod isa;
pub mod layout;
pub mod link;
pub mod lto;
pub mod map;
pub mod merge;
pub mod objects;
pub mod options;
pub mod output;
pub mod polls;
pub mod program;
pub mod relocatable;
pub mod relocate;
pub mod reproduce;
pub mod resolve;
pub mod sigpipe;
pub mod source;
pub mod symtab;
pub mod synthetic;
pub mod tls;
pub mod trace;
pub mod verify;
pub mod words;
