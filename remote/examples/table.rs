//! Prints the statements that make an archive the table `events`: `table DIALECT LOCATION`.

use std::process::ExitCode;

use lookback_remote::table::{Dialect, create_table};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dialect, location] = arguments.as_slice() else {
        eprintln!("table DIALECT LOCATION");
        return ExitCode::from(2);
    };
    let Some(dialect) = Dialect::ALL.into_iter().find(|known| format!("{known:?}").eq_ignore_ascii_case(dialect))
    else {
        eprintln!("dialects: {:?}", Dialect::ALL);
        return ExitCode::from(2);
    };
    match create_table(dialect, location) {
        Ok(statements) => println!("{};", statements.join(";\n\n")),
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
