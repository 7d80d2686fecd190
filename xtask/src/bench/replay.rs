//! What a replay needs for its clients: it is begun before, and told of are the time of a request and the server's memory.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result};
use lookback_flow::proto::observer::GetFlowsRequest;
use lookback_observer::client::{Client, Options};

use super::measure::{Measured, peak};

/// A server, until it is dropped.
pub(super) struct Replay {
    child: Child,
    client: Client,
}

impl Replay {
    pub(super) fn begin(binary: &Path, archive: &str) -> Result<Self> {
        let mut child = Command::new(binary)
            .args(["replay", archive, "--listen", "127.0.0.1:0"])
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| binary.display().to_string())?;
        let lines = BufReader::new(child.stderr.take().context("no standard error")?).lines();
        let mut lines = lines.map_while(Result::ok);
        let address = lines.find_map(|line| line.strip_prefix("serving ").map(str::to_owned));
        let address = address.context("the replay did not begin")?.parse()?;
        Ok(Self { client: Client::connect(&address, &Options::default())?, child })
    }

    /// Measures one request more, whose events are taken and not looked at.
    pub(super) fn request(&self, request: &GetFlowsRequest, measured: &mut Measured) -> Result<()> {
        let start = Instant::now();
        let mut events = 0u64;
        self.client.drain_flows(request.clone(), |_| events += 1)?;
        measured.add(start.elapsed(), peak(&self.child));
        anyhow::ensure!(events > 0, "nothing came");
        Ok(())
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
