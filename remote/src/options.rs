//! How an engine is reached, and how much of it is taken.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How connections are secured, where the address says `flight+tls://`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// PEM files of the authorities to trust; none: those that the system trusts.
    pub ca_files: Vec<PathBuf>,
    /// PEM files of the client's certificate and key.
    pub client: Option<(PathBuf, PathBuf)>,
    /// The name in the server's certificate, where it is not that of the address.
    pub server_name: Option<String>,
}

/// A name and a password, with which a session is begun (Flight's handshake).
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    pub user: String,
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// How much of an answer is taken. More is an error, as a part of an answer is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub rows: usize,
    /// Bytes of all batches, unpacked.
    pub bytes: usize,
}

impl Default for Limits {
    /// Ten million rows, a gibibyte: what is looked at by somebody is far less.
    fn default() -> Self {
        Self { rows: 10_000_000, bytes: 1 << 30 }
    }
}

/// How to reach a server, and what to take of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Options {
    pub tls: Tls,
    /// Longest wait until a server is known to be one of Flight SQL.
    pub connect_timeout: Duration,
    /// Longest wait for a whole answer.
    pub timeout: Duration,
    pub limits: Limits,
    /// Sent with each call, as `authorization: Bearer …`.
    pub token: Option<String>,
    /// Sent once; the server gives a token for it.
    pub login: Option<Login>,
    /// Hosts, beside the server's own, that it may send us to for parts of an answer, with our token. `*`: any, but a token
    /// goes to those alone that are named here.
    pub follow: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tls: Tls::default(),
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_mins(5),
            limits: Limits::default(),
            token: None,
            login: None,
            follow: Vec::new(),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tls, connect_timeout, timeout, limits, token, login, follow } = self;
        let token = token.as_ref().map(|_| "…");
        let mut debug = f.debug_struct("Options");
        debug.field("tls", tls).field("connect_timeout", connect_timeout).field("timeout", timeout);
        debug.field("limits", limits).field("token", &token).field("login", login).field("follow", follow).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let login = Some(Login { user: "admin".to_owned(), password: "hush".to_owned() });
        let options = Options { token: Some("quiet".to_owned()), login, ..Options::default() };
        let shown = format!("{options:?}");
        assert!(shown.contains("admin") && !shown.contains("hush") && !shown.contains("quiet"), "{shown}");
    }
}
