//! What else may listen where an engine is looked for.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use arrow_flight::sql::SqlInfo;
use arrow_flight::sql::server::FlightSqlService;
use lookback_remote::{Address, Engine, Error, Options, Tls};
use tonic::Status;
use tonic::service::Routes;

use crate::server::{Fake, Script, batch, connect, part, routes, says, script, serve};

/// Knows Flight, and no SQL.
struct NoSql;

#[tonic::async_trait]
impl FlightSqlService for NoSql {
    type FlightService = Self;

    async fn register_sql_info(&self, _: i32, _: &SqlInfo) {}
}

fn of(listener: &TcpListener) -> Address {
    Address::parse(&format!("flight://{}", listener.local_addr().unwrap())).unwrap()
}

fn refused(address: &Address) -> Error {
    let options = Options { connect_timeout: Duration::from_millis(500), ..Options::default() };
    Engine::connect(address, &options).unwrap_err()
}

#[test]
fn nobody_listens() {
    let address = of(&TcpListener::bind("127.0.0.1:0").unwrap());
    says(&refused(&address), &["connection refused: nothing listens there"]);
}

#[test]
fn no_such_host() {
    let address = Address::parse("flight://no-such-host.invalid:1").unwrap();
    // Names may be looked up slowly, or not at all here.
    says(&refused(&address), &["flight://no-such-host.invalid:1: "]);
}

#[test]
fn something_listens_and_says_nothing() {
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    says(&refused(&of(&mute)), &["said nothing within 500ms"]);
    let secured = of(&mute).to_string().replace("flight://", "flight+tls://");
    says(&refused(&Address::parse(&secured).unwrap()), &["no connection within 500ms"]);
}

#[test]
fn a_web_server_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = of(&listener);
    thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
            open.push(stream);
        }
    });
    says(&refused(&address), &["does not speak gRPC there"]);
}

#[test]
fn another_grpc_server_listens() {
    let error = refused(&serve(Routes::default(), None));
    says(&error, &["a server, but not of Arrow Flight"]);
    assert!(matches!(error, Error::NoFlight { .. }));
}

#[test]
fn a_flight_server_without_sql_listens() {
    let error = refused(&serve(routes(NoSql), None));
    says(&error, &["not Flight SQL"]);
    assert!(matches!(error, Error::NoFlightSql { .. }), "{error:?}");
}

#[test]
fn a_server_that_says_nothing_of_itself_is_tried() {
    let silent = Fake::default().and("SELECT 1", script([part(&[batch(&[1])])])).and("q", Script::default());
    let engine = connect(&silent.serve());
    assert_eq!(engine.query("q").unwrap().rows(), 0);
    // It knows SQL, and cannot do the least of it.
    says(&refused(&Fake::default().serve()), &["SELECT 1: what is SELECT 1?"]);
}

#[test]
fn options_that_do_nothing_are_refused() {
    let tls = Tls { server_name: Some("x".to_owned()), ..Tls::default() };
    let options = Options { tls, ..Options::default() };
    let error = Engine::connect(&Fake::of(Script::default()).serve(), &options).unwrap_err();
    says(&error, &["write flight+tls://"]);
}

#[test]
fn an_engine_is_not_called_from_async() {
    let address = Fake::of(Script::default()).serve();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let error = runtime.block_on(async { Engine::connect(&address, &Options::default()).unwrap_err() });
    says(&error, &["asynchronous runtime"]);
    let engine = connect(&address);
    says(&runtime.block_on(async { engine.query("q").unwrap_err() }), &["asynchronous runtime"]);
}

#[test]
fn a_scheduler_has_pages_and_no_flight() {
    // What tonic makes of Ballista's answer when --flight-sql is missing.
    let says_404 = "protocol error: received message with invalid compression flag: 123 (valid flags are 0 and 1) while \
                    receiving response with status: 404 Not Found";
    let script = Script { fails: Some(Status::internal(says_404)), ..Script::default() };
    let error = refused(&Fake::default().and("SELECT 1", script).serve());
    assert!(matches!(error, Error::NoFlight { .. }));
    says(&error, &["not of Arrow Flight", "--flight-sql"]);
}
