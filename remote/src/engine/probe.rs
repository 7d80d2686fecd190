//! Whether a server speaks Flight SQL, and the session that it wants.

use std::error::Error as _;

use arrow_flight::HandshakeRequest;
use arrow_flight::sql::{CommandGetSqlInfo, CommandStatementQuery};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};
use tonic::{Code, Status};

use super::info::WANTED;
use super::{Engine, Step, request};
use crate::Error;
use crate::error::told;

const LOGIN: &str = "login";
const GREETING: &str = "greeting";
const SESSION: &str = "session";

impl Engine {
    /// The token of a session, where a user was named.
    pub(super) async fn login(&self) -> Result<Option<MetadataValue<Ascii>>, Error> {
        let Some(login) = &self.options.login else { return Ok(None) };
        if login.user.contains(':') {
            return Err(Error::option("user", "a user has no colon in its name"));
        }
        let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("{}:{}", login.user, login.password)));
        let mut basic: MetadataValue<Ascii> =
            basic.parse().map_err(|_| Error::option("user", "it cannot be sent in a header"))?;
        basic.set_sensitive(true);
        let hello = HandshakeRequest::default();
        let answer = self.home.clone().handshake(request(tokio_stream::iter([hello]), Some(&basic))).await;
        let answer = answer.map_err(|status| match status.source() {
            Some(source) => Error::connect(&self.address, source),
            None => Error::call(&self.address, LOGIN, &status),
        })?;
        let token = given(answer.metadata()).ok_or_else(|| {
            self.broken(LOGIN, "the server took user and password, but gave no token for them".to_owned())
        })?;
        Ok(Some(token))
    }

    /// Asks for a session, once, unless there is a token. Ballista's clients without one share a session: a table that one of
    /// them declares would be the other's, too. Who gives none is asked without.
    pub(super) async fn begin_session(&self, step: &Step) {
        if self.token.is_some() || self.session.get().is_some() {
            return;
        }
        SESSION.clone_into(&mut step.borrow_mut());
        let hello = request(tokio_stream::iter([HandshakeRequest::default()]), None);
        let mut home = self.home.clone();
        let answer = tokio::time::timeout(self.options.connect_timeout, home.handshake(hello)).await;
        // An error of the connection comes again with what is asked next.
        let token = answer.ok().and_then(Result::ok).and_then(|answer| given(answer.metadata()));
        // Two that asked at a time keep the first one's.
        let _ = self.session.set(token);
    }

    /// Makes sure that there is Flight SQL: by what the server says of itself, or, as many say nothing, by the least of queries.
    pub(super) async fn probe(&self, token: Option<&MetadataValue<Ascii>>) -> Result<(), Error> {
        let token = token.or(self.token.as_ref());
        let Err(first) = self.info(CommandGetSqlInfo { info: WANTED.to_vec() }, token).await else { return Ok(()) };
        // No server said so, but the connection.
        if let Some(source) = first.source() {
            return Err(Error::connect(&self.address, source));
        }
        if matches!(first.code(), Code::Unauthenticated | Code::PermissionDenied) {
            return Err(Error::call(&self.address, GREETING, &first));
        }
        let query = CommandStatementQuery { query: "SELECT 1".to_owned(), transaction_id: None };
        let Err(second) = self.info(query, token).await else { return Ok(()) };
        let address = self.address.clone();
        Err(match second.code() {
            _ if is_of_the_web(&second) => Error::NoFlight { address },
            Code::Unimplemented if knows_nothing(&first) && knows_nothing(&second) => Error::NoFlight { address },
            Code::Unimplemented => Error::NoFlightSql { address, why: told(second.message()) },
            _ => Error::call(&address, "SELECT 1", &second),
        })
    }
}

/// The token of a session.
fn given(answer: &MetadataMap) -> Option<MetadataValue<Ascii>> {
    let is_bearer = |token: &MetadataValue<Ascii>| token.as_bytes().starts_with(b"Bearer ");
    let mut token = answer.get("authorization").cloned().filter(is_bearer)?;
    token.set_sensitive(true);
    Some(token)
}

/// Whether there are pages where a service was looked for, and none of this name: tonic tells of their text that it is no message.
fn is_of_the_web(status: &Status) -> bool {
    status.message().contains("receiving response with status: 404")
}

/// Whether the service is unknown, and not just a call of it: as tonic, Go, C++ and Java say it, and a web server.
fn knows_nothing(status: &Status) -> bool {
    let says = status.message();
    status.code() == Code::Unimplemented
        && (says.is_empty()
            || says.starts_with("unknown service")
            || says.starts_with("Method not found")
            || says.contains("HTTP status code"))
}
