//! Tests of the repository as a whole: who may depend on whom, what the sources may name, whether the
//! documents and headers hold together, and what must not be in the tree at all.
#![forbid(unsafe_code)]

mod architecture;
mod c_interface;
mod cpp_wrapper;
mod dependencies;
mod documents;
mod tree;
mod use_paths;
mod workspace;
