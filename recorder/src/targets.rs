//! Where flows are written to: filters, masks, files, archives.

pub mod aggregate;
pub mod archive;
pub mod balance;
pub mod config;
pub mod rotate;
pub mod target;
