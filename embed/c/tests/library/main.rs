//! The library as others meet it: its header, and programs of C that use it.

#![cfg(test)]

mod compiling;
mod header;
mod programs;
