//! A Flight SQL server that plays what was written down for a query.

use std::collections::HashMap;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Schema;
use arrow_flight::encode::{DictionaryHandling, FlightDataEncoderBuilder};
use arrow_flight::flight_service_server::{FlightService, FlightServiceServer};
use arrow_flight::sql::metadata::{SqlInfoData, SqlInfoDataBuilder};
use arrow_flight::sql::server::{FlightSqlService, PeekableFlightDataStream};
use arrow_flight::sql::{
    CommandGetSqlInfo, CommandStatementQuery, CommandStatementUpdate, ProstMessageExt as _, SqlInfo,
    TicketStatementQuery,
};
use arrow_flight::{
    FlightData, FlightDescriptor, FlightEndpoint, FlightInfo, HandshakeRequest, HandshakeResponse, Ticket,
};
use arrow_ipc::writer::IpcWriteOptions;
use lookback_remote::{Address, Engine, Error, Options};
use prost::Message as _;
use tokio::runtime::Builder;
use tokio_stream::{Stream, StreamExt as _};
use tonic::service::Routes;
use tonic::transport::{Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};

/// What a part says, one after the other.
#[derive(Clone)]
pub(crate) enum Says {
    Data(FlightData),
    Fails(Status),
    /// Nothing more, and no end.
    Hangs,
}

#[derive(Clone, Default)]
pub(crate) struct Part {
    pub(crate) locations: Vec<String>,
    pub(crate) says: Vec<Says>,
    pub(crate) no_ticket: bool,
}

/// What a query is answered with.
#[derive(Clone, Default)]
pub(crate) struct Script {
    pub(crate) schema: Option<Schema>,
    /// Rows that are announced; 0 is none, as proto3 has it.
    pub(crate) records: i64,
    pub(crate) parts: Vec<Part>,
    pub(crate) fails: Option<Status>,
    pub(crate) hangs: bool,
}

/// What the server was asked, and with which token.
pub(crate) type Heard = Arc<Mutex<Vec<(String, Option<String>)>>>;

#[derive(Clone, Default)]
pub(crate) struct Fake {
    pub(crate) scripts: HashMap<String, Script>,
    pub(crate) sql_info: Option<(&'static str, &'static str)>,
    /// The only header that is let in.
    pub(crate) token: Option<&'static str>,
    /// What an update says; none: it is unknown.
    pub(crate) update: Option<Result<i64, Status>>,
    /// Sessions that whoever asks for one was given; none: there are none without a password.
    pub(crate) sessions: Option<Arc<AtomicUsize>>,
    pub(crate) heard: Heard,
}

impl Fake {
    /// One that knows one query.
    pub(crate) fn of(script: Script) -> Self {
        Self { sql_info: Some(("Fake", "1.0")), ..Self::default() }.and("q", script)
    }

    pub(crate) fn and(mut self, sql: &str, script: Script) -> Self {
        self.scripts.insert(sql.to_owned(), script);
        self
    }

    pub(crate) fn serve(self) -> Address {
        serve(Routes::new(FlightServiceServer::new(self)), None)
    }

    fn hear<T>(&self, call: &str, request: &Request<T>) -> Result<(), Status> {
        let token = request.metadata().get("authorization").map(|token| token.to_str().unwrap().to_owned());
        let is_let_in = self.token.is_none_or(|wanted| token.as_deref() == Some(wanted));
        self.heard.lock().unwrap().push((call.to_owned(), token));
        if is_let_in { Ok(()) } else { Err(Status::unauthenticated("who are you?")) }
    }

    fn sql_info(&self) -> Result<SqlInfoData, Status> {
        let (name, version) = self.sql_info.ok_or_else(|| Status::unimplemented("no SqlInfo"))?;
        let mut builder = SqlInfoDataBuilder::new();
        builder.append(SqlInfo::FlightSqlServerName, name);
        builder.append(SqlInfo::FlightSqlServerVersion, version);
        builder.append(SqlInfo::FlightSqlServerReadOnly, true);
        Ok(builder.build().unwrap())
    }
}

type Data = Pin<Box<dyn Stream<Item = Result<FlightData, Status>> + Send>>;
type Hands = Pin<Box<dyn Stream<Item = Result<HandshakeResponse, Status>> + Send>>;

#[tonic::async_trait]
impl FlightSqlService for Fake {
    type FlightService = Self;

    async fn do_handshake(&self, request: Request<Streaming<HandshakeRequest>>) -> Result<Response<Hands>, Status> {
        let given = match (request.metadata().get("authorization"), &self.sessions) {
            (None, Some(sessions)) => format!("Bearer session-{}", sessions.fetch_add(1, Ordering::Relaxed)),
            _ => "Bearer session".to_owned(),
        };
        // admin:password
        match request.metadata().get("authorization").map(|basic| basic.to_str().unwrap()) {
            Some("Basic YWRtaW46cGFzc3dvcmQ=") => {}
            None if self.sessions.is_some() => {}
            _ => return Err(Status::unauthenticated("Invalid credentials!")),
        }
        let mut response: Response<Hands> = Response::new(Box::pin(tokio_stream::empty()));
        response.metadata_mut().insert("authorization", given.parse().unwrap());
        Ok(response)
    }

    async fn get_flight_info_statement(
        &self,
        query: CommandStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.hear(&query.query, &request)?;
        let sql = &query.query;
        let script = self.scripts.get(sql).ok_or_else(|| Status::invalid_argument(format!("what is {sql}?")))?;
        if let Some(status) = &script.fails {
            return Err(status.clone());
        }
        if script.hangs {
            std::future::pending::<()>().await;
        }
        let mut info = FlightInfo::new().with_total_records(if script.records == 0 { -1 } else { script.records });
        if let Some(schema) = &script.schema {
            info = info.try_with_schema(schema).unwrap();
        }
        for (at, part) in script.parts.iter().enumerate() {
            let statement_handle = format!("job {sql} part {at}").into();
            let ticket = TicketStatementQuery { statement_handle }.as_any().encode_to_vec();
            let mut endpoint = FlightEndpoint::new();
            if !part.no_ticket {
                endpoint = endpoint.with_ticket(Ticket::new(ticket));
            }
            endpoint = part.locations.iter().fold(endpoint, FlightEndpoint::with_location);
            info = info.with_endpoint(endpoint);
        }
        Ok(Response::new(info))
    }

    async fn do_get_statement(
        &self,
        ticket: TicketStatementQuery,
        request: Request<Ticket>,
    ) -> Result<Response<Data>, Status> {
        let handle = String::from_utf8(ticket.statement_handle.to_vec()).unwrap();
        self.hear(&handle, &request)?;
        let mut words = handle.split(' ').skip(1).step_by(2);
        let (sql, at) = (words.next().unwrap(), words.next().unwrap().parse::<usize>().unwrap());
        let says = self.scripts[sql].parts[at].says.clone();
        let hangs = says.iter().any(|says| matches!(says, Says::Hangs));
        let said = tokio_stream::iter(says).filter_map(|says| match says {
            Says::Data(data) => Some(Ok(data)),
            Says::Fails(status) => Some(Err(status)),
            Says::Hangs => None,
        });
        Ok(Response::new(if hangs { Box::pin(said.chain(tokio_stream::pending())) } else { Box::pin(said) }))
    }

    async fn get_flight_info_sql_info(
        &self,
        query: CommandGetSqlInfo,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.hear("sql info", &request)?;
        let schema = self.sql_info()?.schema();
        let endpoint = FlightEndpoint::new().with_ticket(Ticket::new(query.as_any().encode_to_vec()));
        let info = FlightInfo::new().try_with_schema(&schema).unwrap().with_endpoint(endpoint).with_total_records(-1);
        Ok(Response::new(info))
    }

    async fn do_get_sql_info(&self, query: CommandGetSqlInfo, _: Request<Ticket>) -> Result<Response<Data>, Status> {
        let batch = query.into_builder(&self.sql_info()?).build().unwrap();
        Ok(Response::new(Box::pin(tokio_stream::iter(encoded(&[batch])).map(Ok))))
    }

    async fn do_put_statement_update(
        &self,
        command: CommandStatementUpdate,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        self.hear(&format!("update {}", command.query), &request)?;
        self.update.clone().unwrap_or_else(|| Err(Status::unimplemented("no updates")))
    }

    async fn register_sql_info(&self, _: i32, _: &SqlInfo) {}
}

/// Serves on a port of this machine until the process ends.
pub(crate) fn serve(routes: Routes, tls: Option<ServerTlsConfig>) -> Address {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    let scheme = if tls.is_some() { "flight+tls" } else { "flight" };
    thread::spawn(move || {
        Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
            let mut server = Server::builder();
            if let Some(tls) = tls {
                server = server.tls_config(tls).unwrap();
            }
            server.add_routes(routes).serve_with_incoming(incoming).await.unwrap();
        });
    });
    Address::parse(&format!("{scheme}://localhost:{}", at.port())).unwrap()
}

/// A service of Flight, as routes.
pub(crate) fn routes(service: impl FlightService) -> Routes {
    Routes::new(FlightServiceServer::new(service))
}

/// A few rows.
pub(crate) fn batch(numbers: &[i64]) -> RecordBatch {
    let names: Vec<String> = numbers.iter().map(|number| format!("pod-{number}")).collect();
    let numbers: ArrayRef = Arc::new(Int64Array::from(numbers.to_vec()));
    RecordBatch::try_from_iter([("n", numbers), ("pod", Arc::new(StringArray::from(names)))]).unwrap()
}

/// The messages that batches go over the wire in: their schema, then each.
pub(crate) fn encoded(batches: &[RecordBatch]) -> Vec<FlightData> {
    encoded_with(batches, IpcWriteOptions::default())
}

pub(crate) fn encoded_with(batches: &[RecordBatch], options: IpcWriteOptions) -> Vec<FlightData> {
    let input = tokio_stream::iter(batches.to_vec()).map(Ok);
    let encoder = FlightDataEncoderBuilder::new().with_schema(batches[0].schema());
    let encoder = encoder.with_dictionary_handling(DictionaryHandling::Resend).with_options(options).build(input);
    let runtime = thread::spawn(move || {
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(encoder.collect::<Result<Vec<_>, _>>()).unwrap()
    });
    runtime.join().unwrap()
}

/// A part that says these batches.
pub(crate) fn part(batches: &[RecordBatch]) -> Part {
    Part { says: encoded(batches).into_iter().map(Says::Data).collect(), ..Part::default() }
}

/// The answer to a query in parts, without an announcement.
pub(crate) fn script(parts: impl IntoIterator<Item = Part>) -> Script {
    Script { parts: parts.into_iter().collect(), ..Script::default() }
}

pub(crate) fn connect(address: &Address) -> Engine {
    Engine::connect(address, &Options::default()).unwrap()
}

/// An error in words, which hold these.
#[track_caller]
pub(crate) fn says(error: &Error, words: &[&str]) {
    let error = error.to_string();
    for word in words {
        assert!(error.contains(word), "{word:?} is not in: {error}");
    }
    assert!(!error.chars().any(char::is_control), "{error:?}");
}
