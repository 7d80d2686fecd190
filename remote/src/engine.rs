//! An engine beyond this machine: a connection to a Flight SQL server.
//!
//! Promises:
//! 1. A connection is one to a server that was heard to speak Flight SQL; an error says what else there is.
//! 2. Every part of an answer is asked for, from the first place that is allowed; a part that fails is asked for nowhere else
//!    once some of it came.
//! 3. The token goes to the server that it is for, and to the hosts that were named with it.
//! 4. What is declared is declared in a session of its own, where the server gives one to whoever asks: others who declare the
//!    same names do not change what is asked here.

mod info;
mod probe;

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow_flight::sql::{Any, CommandStatementQuery, CommandStatementUpdate, DoPutUpdateResult, ProstMessageExt};
use arrow_flight::{FlightData, FlightDescriptor, FlightEndpoint, FlightInfo, Ticket};
use lookback_flow::guard::guarded;
use prost::Message as _;
use tokio::runtime::{Builder, Handle, Runtime};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Code, Request, Status};

pub use self::info::ServerInfo;
use crate::answer::Gathering;
use crate::batches::{Bad, Batches, Budget, Item};
use crate::channel::{self, Client};
use crate::error::told;
use crate::location::{Place, is_trusted, place};
use crate::ticket::described;
use crate::{Address, Answer, Error, Limits, Options};

/// Most parts of an answer.
const MOST_PARTS: usize = 1 << 16;

/// Most servers beside the first that connections are kept to.
const MOST_SERVERS: usize = 256;

/// A connection to a Flight SQL server. Its calls block, and must not be made from within an asynchronous runtime.
#[derive(Debug)]
pub struct Engine {
    address: Address,
    options: Options,
    token: Option<MetadataValue<Ascii>>,
    /// The session in which something was declared, where there is no other token.
    session: OnceLock<Option<MetadataValue<Ascii>>>,
    home: Client,
    others: Mutex<HashMap<Address, Client>>,
    // Dropped last: connections live in it.
    runtime: Runtime,
}

/// What is being waited for, for the error that says so.
type Step = RefCell<String>;

impl Engine {
    /// Connects, logs in where asked to, and makes sure that the server speaks Flight SQL.
    ///
    /// # Errors
    /// When a file of the options cannot be read, nobody listens, TLS is wanted or unknown, or something else listens there.
    pub fn connect(address: &Address, options: &Options) -> Result<Self, Error> {
        if Handle::try_current().is_ok() {
            return Err(Error::Runtime(io::Error::other(
                "an engine is not called from within an asynchronous runtime",
            )));
        }
        let token = options.token.as_deref().map(bearer).transpose()?;
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().thread_name("flight").build()?;
        let waited = options.connect_timeout;
        let home = runtime.block_on(channel::connect(address, options, true))?;
        let (address, options, others) = (address.clone(), options.clone(), Mutex::default());
        let mut engine = Self { address, options, token, session: OnceLock::new(), home, others, runtime };
        let probed = engine.runtime.block_on(async {
            tokio::time::timeout(waited, async {
                let token = engine.login().await?;
                engine.probe(token.as_ref()).await.map(|()| token)
            })
            .await
            .unwrap_or_else(|_| {
                let why =
                    format!("something listens there, but said nothing within {waited:?}: is it a Flight SQL server?");
                Err(Error::Connect { address: engine.address.clone(), why })
            })
        });
        engine.token = probed?.or(engine.token);
        Ok(engine)
    }

    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The whole answer to a query.
    ///
    /// # Errors
    /// When the server refuses it, breaks off, takes too long, or sends what is no answer: other columns than it announced, more
    /// or fewer rows, more than is allowed.
    pub fn query(&self, sql: &str) -> Result<Answer, Error> {
        self.run(async |step| {
            let command = CommandStatementQuery { query: sql.to_owned(), transaction_id: None };
            let info = self.info(command, self.token()).await;
            let info = info.map_err(|status| Error::call(&self.address, QUERY, &status))?;
            self.gather(info, self.options.limits, step).await
        })
    }

    /// Runs a statement that answers nothing, such as CREATE EXTERNAL TABLE; how many rows it changed, if the server says so.
    /// A server that knows no updates is asked for it as a query. From then on we are in a session of our own, where the server
    /// gives one to somebody without a token.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub fn execute(&self, sql: &str) -> Result<Option<u64>, Error> {
        let update = self.run(async |step| {
            self.begin_session(step).await;
            self.update(sql, step).await
        });
        match update {
            // Said before anything of it was done.
            Err(Error::Call { code: Code::Unimplemented, .. }) => self.query(sql).map(|_| None),
            other => other,
        }
    }

    async fn update(&self, sql: &str, step: &Step) -> Result<Option<u64>, Error> {
        UPDATE.clone_into(&mut step.borrow_mut());
        let command = CommandStatementUpdate { query: sql.to_owned(), transaction_id: None };
        let descriptor = FlightDescriptor::new_cmd(command.as_any().encode_to_vec());
        let data = FlightData { flight_descriptor: Some(descriptor), ..FlightData::default() };
        let request = request(tokio_stream::iter([data]), self.token());
        let failed = |status: Status| Error::call(&self.address, UPDATE, &status);
        let mut results = self.home.clone().do_put(request).await.map_err(failed)?.into_inner();
        let Some(result) = results.message().await.map_err(failed)? else { return Ok(None) };
        // To its end: only then is it known that nothing went wrong.
        let mut more: usize = 0;
        while results.message().await.map_err(failed)?.is_some() {
            more += 1;
            if more > MOST_PARTS {
                return Err(self.broken(UPDATE, "the server does not stop telling how it went".to_owned()));
            }
        }
        let result = DoPutUpdateResult::decode(result.app_metadata);
        let result = result.map_err(|_| self.broken(UPDATE, "how it went cannot be read".to_owned()))?;
        Ok(u64::try_from(result.record_count).ok())
    }

    fn token(&self) -> Option<&MetadataValue<Ascii>> {
        self.token.as_ref().or_else(|| self.session.get()?.as_ref())
    }

    /// Runs a call to its end, or to the end of the time that it has.
    fn run<T>(&self, call: impl AsyncFnOnce(&Step) -> Result<T, Error>) -> Result<T, Error> {
        if Handle::try_current().is_ok() {
            return Err(Error::Runtime(io::Error::other(
                "an engine is not called from within an asynchronous runtime",
            )));
        }
        let (step, waited) = (RefCell::new(QUERY.to_owned()), self.options.timeout);
        self.runtime.block_on(async {
            tokio::time::timeout(waited, call(&step)).await.unwrap_or_else(|_| {
                Err(Error::Timeout { address: self.address.clone(), call: step.borrow().clone(), waited })
            })
        })
    }

    async fn info(
        &self,
        command: impl ProstMessageExt,
        token: Option<&MetadataValue<Ascii>>,
    ) -> Result<FlightInfo, Status> {
        let descriptor = FlightDescriptor::new_cmd(Any::encode_to_vec(&command.as_any()));
        Ok(self.home.clone().get_flight_info(request(descriptor, token)).await?.into_inner())
    }

    /// Asks for all parts, one after the other.
    async fn gather(&self, mut info: FlightInfo, limits: Limits, step: &Step) -> Result<Answer, Error> {
        let (parts, records) = (info.endpoint.len(), info.total_records);
        if parts > MOST_PARTS {
            return Err(self.broken(QUERY, format!("the answer has {parts} parts, which is more than {MOST_PARTS}")));
        }
        if usize::try_from(records).is_ok_and(|records| records > limits.rows) {
            // So it said itself: nothing of it need be fetched.
            return Err(self.bad(QUERY, Bad::TooMuch(format!("{} rows", limits.rows))));
        }
        let endpoints = std::mem::take(&mut info.endpoint);
        let schema = if info.schema.is_empty() {
            None
        } else {
            let schema = guarded(|| info.try_decode_schema()).map_err(|panic| self.no_schema(&panic))?;
            Some(schema.map_err(|error| self.no_schema(&error.to_string()))?)
        };
        let mut gathering = Gathering::new(limits, schema.as_ref());
        let budget = Arc::new(Budget::new(limits.bytes));
        let mut last = QUERY.to_owned();
        for (at, endpoint) in endpoints.into_iter().enumerate() {
            let ticket = endpoint.ticket.as_ref().map(|ticket| described(&ticket.ticket)).unwrap_or_default();
            last = format!("part {} of {parts} ({ticket})", at + 1);
            last.clone_into(&mut step.borrow_mut());
            self.part(endpoint, &last, &mut gathering, &budget).await?;
        }
        gathering.finish(records).map_err(|bad| self.bad(&last, bad))
    }

    async fn part(
        &self,
        endpoint: FlightEndpoint,
        call: &str,
        gathering: &mut Gathering,
        budget: &Arc<Budget>,
    ) -> Result<(), Error> {
        let Some(ticket) = endpoint.ticket.clone() else {
            return Err(self.broken(call, "the server gave no ticket for it".to_owned()));
        };
        let (address, mut client) = self.server(&endpoint, call).await?;
        let token = self.token().filter(|_| is_trusted(&address, &self.address, &self.options.follow));
        let failed = |status: &Status| Error::call(&address, call, status);
        let stream = client.do_get(request::<Ticket>(ticket, token)).await.map_err(|status| failed(&status))?;
        let mut batches = Batches::new(stream.into_inner(), Arc::clone(budget));
        loop {
            let outcome = match batches.next().await {
                Ok(None) => return Ok(()),
                Ok(Some(Item::Schema(schema))) => gathering.check(&schema),
                Ok(Some(Item::Batch(batch))) => gathering.push(&batch),
                Err(bad) => Err(bad),
            };
            outcome.map_err(|bad| match bad {
                Bad::Status(status) => failed(&status),
                bad => self.bad(call, bad),
            })?;
        }
    }

    /// A connection to the first place of a part that is allowed, and is there.
    async fn server(&self, endpoint: &FlightEndpoint, call: &str) -> Result<(Address, Client), Error> {
        if endpoint.location.is_empty() {
            return Ok((self.address.clone(), self.home.clone()));
        }
        let (mut refused, mut failed) = (Vec::new(), None);
        for location in endpoint.location.iter().take(MOST_SERVERS) {
            match place(&location.uri, &self.address, &self.options.follow) {
                Ok(Place::Same) => return Ok((self.address.clone(), self.home.clone())),
                Ok(Place::Other(address)) => match self.other(&address).await {
                    Ok(client) => return Ok((address, client)),
                    Err(error) => failed = failed.or(Some(error)),
                },
                Err(why) if refused.len() < 3 => refused.push(why),
                Err(_) => {}
            }
        }
        Err(failed.unwrap_or_else(|| {
            let why = refused.join("; ");
            self.broken(
                call,
                format!("the server sends us elsewhere for it: {why}: allow that host, if it is one of yours"),
            )
        }))
    }

    async fn other(&self, address: &Address) -> Result<Client, Error> {
        let lock = || self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = lock().get(address) {
            return Ok(client.clone());
        }
        let client = channel::connect(address, &self.options, false).await?;
        let mut others = lock();
        if others.len() >= MOST_SERVERS {
            others.clear();
        }
        others.insert(address.clone(), client.clone());
        Ok(client)
    }

    fn bad(&self, call: &str, bad: Bad) -> Error {
        let (address, call) = (self.address.clone(), call.to_owned());
        match bad {
            Bad::TooMuch(most) => Error::TooMuch { address, call, most },
            Bad::Status(status) => Error::call(&address, &call, &status),
            Bad::Broken(why) => Error::Broken { address, call, why },
        }
    }

    fn broken(&self, call: &str, why: String) -> Error {
        self.bad(call, Bad::Broken(why))
    }

    fn no_schema(&self, why: &str) -> Error {
        self.broken(QUERY, format!("the columns of the answer cannot be read: {}", told(why)))
    }
}

/// What the server is asked first, in the words of Flight.
const QUERY: &str = "query";
const UPDATE: &str = "statement";

fn request<T>(message: T, token: Option<&MetadataValue<Ascii>>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(token) = token {
        request.metadata_mut().insert("authorization", token.clone());
    }
    request
}

fn bearer(token: &str) -> Result<MetadataValue<Ascii>, Error> {
    let is_plain = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    let header = is_plain.then(|| format!("Bearer {token}").parse::<MetadataValue<Ascii>>().ok()).flatten();
    let mut header = header.ok_or_else(|| Error::option("token", "a token has printable characters, and no blanks"))?;
    header.set_sensitive(true);
    Ok(header)
}
