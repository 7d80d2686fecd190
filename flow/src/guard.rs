//! Libraries that panic on input which they find themselves wrong about: to us that is an error of the input.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

static HOOK: Once = Once::new();

/// Runs what may panic, and says nothing of it but to the caller, who gets what the panic said.
///
/// # Errors
/// When it panicked.
pub fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    HOOK.call_once(|| {
        let told = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !GUARDED.get() {
                told(panic);
            }
        }));
    });
    let before = GUARDED.replace(true);
    let ran = panic::catch_unwind(AssertUnwindSafe(run));
    GUARDED.set(before);
    ran.map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error() {
        assert_eq!(guarded(|| 1), Ok(1));
        let lengths: Vec<usize> = Vec::new();
        assert!(guarded(|| lengths[1]).unwrap_err().contains("out of bounds"));
        assert_eq!(guarded(|| 2), Ok(2));
    }
}
