//! The programs that run in the kernel.
//!
//! | file | holds |
//! |---|---|
//! | `headers.rs` | packet → addresses, ports, flags; the same code for what passes and what is dropped |
//! | `packets.rs` | classifiers at interfaces: the table of flows, what is told of them, payloads |
//! | `drops.rs` | packets that the kernel dropped, segments that it sent again |
//! | `processes.rs` | which process made a connection |
//! | `maps.rs` | the ring, the counters and the settings |

#![no_std]
#![no_main]
#![expect(unsafe_code, reason = "calls of the kernel's helpers, each bounded by what the verifier allows")]

mod drops;
mod headers;
mod maps;
mod packets;
mod processes;

/// As helpers for programs under the GPL are used.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // The verifier would refuse a program that could come here.
    loop {}
}
