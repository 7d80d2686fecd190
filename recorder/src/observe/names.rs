//! Names of addresses, as DNS answers told them.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use crate::generations::Generations;

/// Names that an address has at most.
const MOST: usize = 8;

/// Names by address, bounded.
#[derive(Debug)]
pub struct Names(Generations<IpAddr, VecDeque<Arc<str>>>);

impl Default for Names {
    fn default() -> Self {
        Self(Generations::new(65_536))
    }
}

impl Names {
    /// An answer told that a name has these addresses.
    pub fn learn(&mut self, name: &str, addresses: &[IpAddr]) {
        let name = name.strip_suffix('.').unwrap_or(name);
        if name.is_empty() || addresses.is_empty() {
            return;
        }
        let name: Arc<str> = name.to_ascii_lowercase().into();
        for address in addresses {
            let names = self.0.entry(*address, VecDeque::new);
            names.retain(|known| *known != name);
            names.push_front(Arc::clone(&name));
            names.truncate(MOST);
        }
    }

    /// The names of an address, the latest first.
    pub fn of(&mut self, address: IpAddr) -> Option<&[Arc<str>]> {
        // Most recordings know no names, or few.
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&address).map(|names| &*names.make_contiguous())
    }
}
