//! What this kernel and these rights allow, hook by hook, and what would be missing from a recording.

use std::path::Path;

use crate::kernel::btf::Btf;
use crate::kernel::object::{Attached, LinkLayer, Object, Settings};
use crate::kernel::privileges;

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub what: &'static str,
    /// How it works, or why it does not.
    pub outcome: Result<String, String>,
    /// What would be missing.
    pub without: &'static str,
}

/// Tries everything on the loopback of this network namespace, and takes it back.
#[must_use]
pub fn probe(cgroups: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |what, outcome, without| findings.push(Finding { what, outcome, without });
    let capabilities = match privileges::missing() {
        Ok(missing) if missing.is_empty() => Ok("CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON".to_owned()),
        Ok(missing) => {
            Err(missing.iter().map(|(cap, why)| format!("{cap} is missing, {why}")).collect::<Vec<_>>().join("; "))
        }
        Err(error) => Err(error.to_string()),
    };
    let allowed = capabilities.is_ok();
    add("privileges", capabilities, "everything");
    let btf = Btf::of_kernel();
    let reasons = btf.as_ref().map(|btf| btf.values("skb_drop_reason")).unwrap_or_default();
    add(
        "types (BTF)",
        btf.as_ref().map(|_| format!("{} reasons for drops", reasons.len())).map_err(ToString::to_string),
        "drops",
    );
    if allowed {
        match Object::load(&Settings::default(), btf.as_ref().ok()) {
            Err(error) => add("programs", Err(error.to_string()), "everything"),
            Ok(mut object) => {
                add("programs", Ok("loaded".to_owned()), "everything");
                let how = object.attach("lo", LinkLayer::Ethernet).map(|how| match how {
                    Attached::Tcx => "TCX".to_owned(),
                    Attached::Clsact => "clsact".to_owned(),
                });
                add("interfaces", how.map_err(|error| error.to_string()), "packets, DNS, HTTP");
                let drops = object.attach_drops(&reasons, &[]).map(|()| "raw tracepoints".to_owned());
                add("drops", drops.map_err(|error| error.to_string()), "drops with their reasons, retransmissions");
                let processes = object.attach_processes(cgroups).map(|()| cgroups.display().to_string());
                add("processes", processes.map_err(|error| error.to_string()), "names of processes");
            }
        }
    }
    let landlock = if privileges::has_landlock() {
        Ok("Landlock".to_owned())
    } else {
        Err("this kernel has no Landlock".to_owned())
    };
    add("sandbox", landlock, "nothing of the recording; protection against hostile packets");
    findings
}
