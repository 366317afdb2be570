//! stub
pub mod read;
