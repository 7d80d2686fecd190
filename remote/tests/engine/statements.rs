//! Statements that answer nothing, and what a server says of itself.

use std::sync::Arc;

use lookback_remote::table::Dialect;
use lookback_remote::{Engine, Error, Login, Options, ServerInfo};
use tonic::{Code, Status};

use crate::server::{Fake, Script, batch, connect, part, says, script};

fn calls(fake: &Fake) -> Vec<String> {
    fake.heard.lock().unwrap().iter().map(|(call, _)| call.clone()).collect()
}

#[test]
fn a_statement_is_an_update() {
    let fake = Fake { update: Some(Ok(3)), ..Fake::of(Script::default()) };
    let engine = connect(&fake.clone().serve());
    assert_eq!(engine.execute("DELETE").unwrap(), Some(3));
    assert_eq!(calls(&fake), ["sql info", "update DELETE"]);
    // How many is not known.
    let fake = Fake { update: Some(Ok(-1)), ..Fake::of(Script::default()) };
    assert_eq!(connect(&fake.serve()).execute("DELETE").unwrap(), None);
}

#[test]
fn a_server_without_updates_is_asked_by_a_query() {
    let fake = Fake::of(Script::default()).and("CREATE", script([part(&[batch(&[])])]));
    let engine = connect(&fake.clone().serve());
    assert_eq!(engine.execute("CREATE").unwrap(), None);
    assert_eq!(calls(&fake), ["sql info", "update CREATE", "CREATE", "job CREATE part 0"]);
    says(&engine.execute("CREATE VIEW").unwrap_err(), &["query: what is CREATE VIEW?"]);
}

#[test]
fn a_statement_that_failed_is_not_run_again() {
    let update = Some(Err(Status::internal("half of it was done")));
    let fake = Fake { update, ..Fake::of(Script::default()) }.and("CREATE", Script::default());
    let error = connect(&fake.clone().serve()).execute("CREATE").unwrap_err();
    says(&error, &["statement: half of it was done"]);
    assert_eq!(calls(&fake), ["sql info", "update CREATE"]);
}

#[test]
fn who_declares_something_has_a_session_of_its_own() {
    let fake = Fake { update: Some(Ok(0)), sessions: Some(Arc::default()), ..Fake::of(script([part(&[batch(&[1])])])) };
    let address = fake.clone().serve();
    let (first, second) = (connect(&address), connect(&address));
    for engine in [&first, &second, &first] {
        engine.execute("CREATE").unwrap();
        assert_eq!(engine.query("q").unwrap().rows(), 1);
    }
    // Who declares nothing sees what is declared for all; who has a token is known by it.
    connect(&address).query("q").unwrap();
    let options = Options { token: Some("t".to_owned()), ..Options::default() };
    Engine::connect(&address, &options).unwrap().execute("CREATE").unwrap();
    let heard = fake.heard.lock().unwrap().clone();
    let of = |call: &str| {
        let tokens = heard.iter().filter(|(heard, _)| heard == call).map(|(_, token)| token.as_deref());
        tokens.collect::<Vec<_>>()
    };
    let [one, two] = ["Bearer session-0", "Bearer session-1"].map(Some);
    assert_eq!(of("update CREATE"), [one, two, one, Some("Bearer t")]);
    assert_eq!(of("q"), [one, two, one, None]);
    assert_eq!(of("job q part 0"), [one, two, one, None]);
    assert!(!format!("{first:?}").contains("session-0"));
}

#[test]
fn a_server_says_what_it_is() {
    let fake = Fake { sql_info: Some(("Fa\u{1b}ke", "1.0")), ..Fake::of(Script::default()) };
    let info = connect(&fake.serve()).server_info().unwrap().unwrap();
    assert_eq!(info, ServerInfo { name: Some("Fa^[ke".to_owned()), version: Some("1.0".to_owned()) });
    let silent = Fake { sql_info: None, ..Fake::default() }.and("SELECT 1", script([part(&[batch(&[1])])]));
    assert_eq!(connect(&silent.serve()).server_info().unwrap(), None);
    let empty = Fake { sql_info: Some(("", "")), ..Fake::of(Script::default()) };
    assert_eq!(connect(&empty.serve()).server_info().unwrap(), None);
}

#[test]
fn an_archive_is_declared_in_the_words_of_the_server() {
    for (name, dialect) in [("Apache DataFusion Ballista", Dialect::Ballista), ("Fake", Dialect::DataFusion)] {
        let fake = Fake { sql_info: Some((name, "55.0.0")), ..Fake::of(Script::default()) };
        assert_eq!(connect(&fake.serve()).dialect().unwrap(), dialect);
    }
    let silent = Fake { sql_info: None, ..Fake::default() }.and("SELECT 1", script([part(&[batch(&[1])])]));
    assert_eq!(connect(&silent.serve()).dialect().unwrap(), Dialect::DataFusion);
}

#[test]
fn a_token_is_sent_with_each_call() {
    let fake = Fake { token: Some("Bearer secret"), ..Fake::of(script([part(&[batch(&[1])])])) };
    let address = fake.clone().serve();
    let options = Options { token: Some("secret".to_owned()), ..Options::default() };
    let engine = Engine::connect(&address, &options).unwrap();
    assert_eq!(engine.query("q").unwrap().rows(), 1);
    assert_eq!(calls(&fake), ["sql info", "q", "job q part 0"]);
    assert!(!format!("{engine:?}").contains("secret"));
    let error = Engine::connect(&address, &Options::default()).unwrap_err();
    says(&error, &["wants to know who asks", "who are you?", "give a token"]);
    assert!(matches!(error, Error::Call { code: Code::Unauthenticated, .. }));
    for token in ["", "a b", "a\nb", "ä"] {
        let options = Options { token: Some(token.to_owned()), ..Options::default() };
        says(&Engine::connect(&address, &options).unwrap_err(), &["token:", "printable"]);
    }
}

#[test]
fn a_login_gives_a_token() {
    let fake = Fake { token: Some("Bearer session"), ..Fake::of(script([part(&[batch(&[1])])])) };
    let address = fake.serve();
    let login = |password: &str| Options {
        login: Some(Login { user: "admin".to_owned(), password: password.to_owned() }),
        ..Options::default()
    };
    assert_eq!(Engine::connect(&address, &login("password")).unwrap().query("q").unwrap().rows(), 1);
    let error = Engine::connect(&address, &login("passwort")).unwrap_err();
    says(&error, &["login", "Invalid credentials!"]);
}
