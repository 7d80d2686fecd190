//! Which process made a connection, or sends datagrams: known where it calls, kept by the cookie of its socket.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::helpers::generated::{bpf_get_current_cgroup_id, bpf_get_socket_cookie};
use aya_ebpf::helpers::{bpf_get_current_comm, bpf_get_current_pid_tgid, bpf_get_current_uid_gid};
use aya_ebpf::macros::cgroup_sock_addr;
use aya_ebpf::programs::SockAddrContext;
use lookback_recorder_ebpf::Process;

use crate::maps::PROCESSES;

/// Lets the call go on.
const ALLOW: i32 = 1;

#[cgroup_sock_addr(connect4)]
pub(crate) fn connects4(ctx: SockAddrContext) -> i32 {
    note(&ctx)
}

#[cgroup_sock_addr(connect6)]
pub(crate) fn connects6(ctx: SockAddrContext) -> i32 {
    note(&ctx)
}

#[cgroup_sock_addr(sendmsg4)]
pub(crate) fn sends4(ctx: SockAddrContext) -> i32 {
    note(&ctx)
}

#[cgroup_sock_addr(sendmsg6)]
pub(crate) fn sends6(ctx: SockAddrContext) -> i32 {
    note(&ctx)
}

#[inline(always)]
fn note(ctx: &SockAddrContext) -> i32 {
    // SAFETY: the context is the one of this call.
    let cookie = unsafe { bpf_get_socket_cookie(ctx.as_ptr()) };
    let process = Process {
        pid: (bpf_get_current_pid_tgid() >> 32) as u32,
        uid: bpf_get_current_uid_gid() as u32,
        // SAFETY: a helper without arguments.
        cgroup: unsafe { bpf_get_current_cgroup_id() },
        comm: bpf_get_current_comm().unwrap_or_default(),
    };
    // A full table forgets the socket that was not used for the longest time.
    let _ = PROCESSES.insert(&cookie, &process, 0);
    ALLOW
}
