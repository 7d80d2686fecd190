//! Names that do not exist, of which another form was asked.
//!
//! The search path: `redis.db` is tried as redis.db.shop.svc.cluster.local, redis.db.svc.cluster.local, redis.db.cluster.local, … and
//! redis.db, until one exists. All forms begin with the same label. Names are compared over the whole window, not lookup by lookup,
//! as a node's DNS cache may have answered the next form itself.

use polars::prelude::{InitHashMaps as _, PlHashMap, PlHashSet, PlIndexMap};

use super::super::super::texts::{Number, Texts};
use super::found::Lookup;
use super::lines::Lines;

/// Who asked, and the name.
pub(super) type Asked = (Option<Number>, Option<Number>);

/// The names that do not exist and of which a later form decided.
pub(super) fn of(lookups: &[Lookup], lines: &Lines, texts: &Texts) -> PlHashSet<Asked> {
    let asked =
        |lookup: &Lookup| (lookup.asker(lines), lines.keys.get_index(lookup.key as usize).and_then(|key| key.name));
    let missing: PlHashSet<Asked> = lookups.iter().filter(|lookup| lookup.is_missing()).map(asked).collect();
    // Whether each name was ever resolved, of those who miss one; by the first label.
    let askers: PlHashSet<Option<Number>> = missing.iter().map(|(asker, _)| *asker).collect();
    let mut forms: PlHashMap<(Number, &str), PlIndexMap<Number, bool>> = PlHashMap::new();
    for lookup in lookups {
        if let (Some(asker), Some(name)) = asked(lookup)
            && askers.contains(&Some(asker))
        {
            let of_label = forms.entry((asker, first_label(texts.get(name)))).or_default();
            *of_label.entry(name).or_default() |= lookup.rcode == Some(0);
        }
    }
    let is_superseded = |(asker, name): &Asked| {
        let (Some(client), Some(name)) = (asker, name) else { return false };
        let missing = texts.get(*name);
        let forms = forms.get(&(*client, first_label(missing)));
        forms.into_iter().flatten().any(|(asked, resolved)| asked != name && decides(*asked, *resolved, missing, texts))
    };
    missing.into_iter().filter(is_superseded).collect()
}

fn first_label(name: &str) -> &str {
    name.split('.').next().unwrap_or_default()
}

/// Whether a form of a missing name tells what became of it.
fn decides(asked: Number, is_resolved: bool, missing: &str, texts: &Texts) -> bool {
    let asked = texts.get(asked);
    let goes_on = |name: &str, with: &str| name.strip_prefix(with).is_some_and(|rest| rest.starts_with('.'));
    let mut around_svc = asked.split(".svc.");
    // A later form decides, whatever came of it. redis.db.shop.svc.cluster.local, then redis.db:
    goes_on(missing, asked)
        // redis.db.shop.svc.cluster.local, then redis.db.svc.cluster.local. A DNS cache asks for pods of any namespace, so it need
        // not be the client's.
        || match (around_svc.next(), around_svc.next()) {
            (Some(before), Some(from)) => {
                goes_on(missing, before) && missing.strip_suffix(from).is_some_and(|before| before.ends_with(".svc."))
            }
            _ => false,
        }
        // redis.db.svc.cluster.local, then redis.db.cluster.local.
        || (missing.contains(".svc.") && asked == missing.replace(".svc.", "."))
        // redis.db.cluster.local never exists; the form after it may have gone to another server, unseen.
        || (asked.contains(".svc.") && missing == asked.replace(".svc.", "."))
        // A name of many labels is tried as it is first; then only an expanded form that exists tells anything.
        || (is_resolved && goes_on(asked, missing))
}
