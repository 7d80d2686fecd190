//! Parts of an answer that other servers have.

use std::net::TcpListener;

use lookback_remote::{Address, Engine, Options};

use crate::server::{Fake, Part, Script, batch, part, says, script};

/// A server that sends to these locations for its one part, and knows nothing itself; and what it was asked.
fn sends_to(locations: &[String]) -> Fake {
    let part = Part { locations: locations.to_vec(), ..Part::default() };
    Fake::of(Script { records: 1, ..script([part]) })
}

fn grpc(address: &Address, host: &str) -> String {
    format!("grpc+tcp://{host}:{}", address.to_string().rsplit_once(':').unwrap().1)
}

fn executor() -> Fake {
    Fake::of(script([part(&[batch(&[5])])]))
}

#[test]
fn a_part_is_had_where_it_is() {
    let executor = executor();
    let at = executor.clone().serve();
    // The first that may be gone to, and is there.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let locations = ["https://x/".to_owned(), format!("grpc://127.0.0.1:{}", gone.port()), grpc(&at, "127.0.0.1")];
    let scheduler = sends_to(&locations);
    let options = Options { token: Some("t".to_owned()), ..Options::default() };
    let engine = Engine::connect(&scheduler.clone().serve(), &options).unwrap();
    for _ in 0..2 {
        assert_eq!(engine.query("q").unwrap().rows(), 1);
    }
    // Of this machine, as the first server: it is shown the token.
    let heard = executor.heard.lock().unwrap().clone();
    assert_eq!(heard, vec![("job q part 0".to_owned(), Some("Bearer t".to_owned())); 2]);
}

#[test]
fn a_host_that_was_not_allowed_is_not_gone_to() {
    let locations = ["grpc+tcp://executor-7:50051".to_owned(), "grpc+tls://localhost:1".to_owned()];
    let engine = Engine::connect(&sends_to(&locations).serve(), &Options::default()).unwrap();
    let error = engine.query("q").unwrap_err();
    says(&error, &["part 1 of 1", "grpc+tcp://executor-7:50051 is a host that was not allowed", "has TLS"]);
}

#[test]
fn the_same_connection_is_a_location_too() {
    let part = Part { locations: vec!["arrow-flight-reuse-connection://?".to_owned()], ..part(&[batch(&[1])]) };
    let engine = Engine::connect(&Fake::of(script([part])).serve(), &Options::default()).unwrap();
    assert_eq!(engine.query("q").unwrap().rows(), 1);
}

#[test]
fn an_executor_that_is_gone_is_an_error() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let engine = Engine::connect(&sends_to(&[format!("grpc+tcp://{gone}")]).serve(), &Options::default()).unwrap();
    says(&engine.query("q").unwrap_err(), &[&format!("flight://{gone}: connection refused")]);
}
