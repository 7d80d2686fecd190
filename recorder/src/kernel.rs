//! Everything that touches the kernel: programs, interfaces, namespaces, privileges.

pub mod btf;
pub mod namespace;
pub mod netlink;
pub mod object;
pub mod privileges;
