//! Everything that touches the kernel: programs, interfaces, namespaces, privileges.

pub mod attach;
pub mod btf;
pub mod flood;
pub mod namespace;
pub mod netlink;
pub mod object;
pub mod privileges;
