//! What a server says of itself.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::UInt32Type;
use arrow_flight::sql::{CommandGetSqlInfo, SqlInfo};
use lookback_flow::guard::guarded;
use tonic::Code;

use super::Engine;
use crate::error::told;
use crate::table::Dialect;
use crate::{Error, Limits};

/// Name and version of a server, in its own words, harmless for a terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerInfo {
    pub name: Option<String>,
    pub version: Option<String>,
}

const NAME: u32 = SqlInfo::FlightSqlServerName as u32;
const VERSION: u32 = SqlInfo::FlightSqlServerVersion as u32;

/// What is asked for.
pub(super) const WANTED: [u32; 2] = [NAME, VERSION];

/// More than a few words are none.
const LIMITS: Limits = Limits { rows: 1000, bytes: 1 << 20 };

impl Engine {
    /// What the server says of itself; `None` when it says nothing.
    ///
    /// # Errors
    /// When the connection breaks, or what comes is no such answer.
    pub fn server_info(&self) -> Result<Option<ServerInfo>, Error> {
        let answer = self.run(async |step| {
            "server info".clone_into(&mut step.borrow_mut());
            let info = self.info(CommandGetSqlInfo { info: WANTED.to_vec() }, self.token()).await;
            let info = info.map_err(|status| Error::call(&self.address, "server info", &status))?;
            self.gather(info, LIMITS, step).await
        });
        let answer = match answer {
            Err(Error::Call { code: Code::Unimplemented, .. }) => return Ok(None),
            answer => answer?,
        };
        let mut info = ServerInfo::default();
        for batch in &answer.batches {
            let read = guarded(|| read(batch, &mut info)).ok().flatten();
            if read.is_none() {
                let why = "what the server says of itself has other columns than Flight SQL's".to_owned();
                return Err(self.broken("server info", why));
            }
        }
        Ok((info != ServerInfo::default()).then_some(info))
    }
}

impl Engine {
    /// In which words an archive is declared to the server: those of Ballista, if it says so, else of `DataFusion`.
    ///
    /// # Errors
    /// As [`Self::server_info`].
    pub fn dialect(&self) -> Result<Dialect, Error> {
        let name = self.server_info()?.and_then(|info| info.name).unwrap_or_default();
        Ok(if name.contains("Ballista") { Dialect::Ballista } else { Dialect::DataFusion })
    }
}

fn read(batch: &RecordBatch, info: &mut ServerInfo) -> Option<()> {
    let [numbers, values] = batch.columns() else { return None };
    let numbers = numbers.as_primitive_opt::<UInt32Type>()?;
    let values = values.as_union_opt()?;
    for row in 0..numbers.len() {
        let value = values.value(row);
        let text = value.as_string_opt::<i32>().filter(|text| text.len() == 1 && text.is_valid(0));
        let text = text.map(|text| told(text.value(0))).filter(|text| !text.is_empty());
        match numbers.value(row) {
            NAME => info.name = text,
            VERSION => info.version = text,
            _ => {}
        }
    }
    Some(())
}
