//! No crate imports one that stands above it, and the protocol imports nothing that does I/O.
//!
//! The arrows are read from `cargo metadata`; [`sources`] reads what the
//! protocol's own files name.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::failure::Failure;
use crate::process::Runner;
use crate::sources;
use crate::workspace::{Workspace, array, members, text};

/// The crates from the bottom up; each may import those before it.
const LAYERS: &[&str] = &[
    "holdwire-proto",
    "holdwire",
    "holdwire-hub",
    "holdwire-server",
];

/// Crates that may import any of the layers; nobody imports them.
const OUTSIDE: &[&str] = &[
    "holdwire-bench",
    "holdwire-conformance",
    "holdwire-examples",
    "holdwire-fuzz",
    "xtask",
];

/// The crate that opens no socket, reads no clock and draws no random bytes.
const PROTOCOL: &str = "holdwire-proto";

/// What the protocol may depend on; a new name here is a decision.
const PROTOCOL_IMPORTS: &[&str] = &[
    "base64",
    "bytes",
    "bytestring",
    "http",
    "httparse",
    "sha1",
    "simdutf8",
    "zlib-rs",
];

/// What must not come into the protocol's build by any path.
const PROTOCOL_SHUNS: &[&str] = &[
    "async-std",
    "fastrand",
    "futures",
    "getrandom",
    "mio",
    "rand",
    "rand_core",
    "smol",
    "socket2",
    "tokio",
    "tracing",
];

/// The stage: arrows, dependencies of the protocol, sources of the protocol.
pub(crate) fn run(workspace: &Workspace, runner: &Runner) -> Result<(), Failure> {
    let metadata = workspace.metadata(runner)?;
    let mut found = turned_arrows(&metadata);
    found.extend(protocol_imports(&metadata));
    found.extend(sources::check(&workspace.path("crates/proto/src"))?);
    Failure::unless_empty("broken layers", &found)
}

/// Every import within the workspace that does not point down.
fn turned_arrows(metadata: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for package in members(metadata) {
        let from = text(package, "name");
        if !LAYERS.contains(&from) && !OUTSIDE.contains(&from) {
            found.push(format!(
                "{from} is in no layer: give it a place in layers.rs"
            ));
        }
        for dependency in array(package, "dependencies") {
            let to = text(dependency, "name");
            if dependency["source"].is_null() && !may_import(from, to) {
                found.push(format!("{from} imports {to}"));
            }
        }
    }
    found
}

/// Whether an arrow between two crates of this repository points down.
fn may_import(from: &str, to: &str) -> bool {
    let height = |name: &str| LAYERS.iter().position(|layer| *layer == name);
    match (height(from), height(to)) {
        (Some(from), Some(to)) => to < from,
        (None, Some(_)) => OUTSIDE.contains(&from),
        (_, None) => false,
    }
}

/// What the protocol depends on and must not, directly or through others.
fn protocol_imports(metadata: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let Some(package) = members(metadata).find(|package| text(package, "name") == PROTOCOL) else {
        return vec![format!("{PROTOCOL} is not in the workspace")];
    };
    for dependency in array(package, "dependencies") {
        let name = text(dependency, "name");
        if dependency["kind"].is_null() && !PROTOCOL_IMPORTS.contains(&name) {
            found.push(format!(
                "{PROTOCOL} imports {name}, which is not on its list in layers.rs"
            ));
        }
    }
    for name in names_below(metadata, text(package, "id")) {
        if PROTOCOL_SHUNS.contains(&name.as_str()) {
            found.push(format!(
                "{PROTOCOL} builds with {name} through its dependencies"
            ));
        }
    }
    found
}

/// The names of all packages that a package is built with; those of its tests are left out.
fn names_below(metadata: &Value, root: &str) -> BTreeSet<String> {
    let names: BTreeMap<&str, &str> = array(metadata, "packages")
        .map(|package| (text(package, "id"), text(package, "name")))
        .collect();
    let nodes: BTreeMap<&str, &Value> = array(&metadata["resolve"], "nodes")
        .map(|node| (text(node, "id"), node))
        .collect();
    let mut seen = BTreeSet::new();
    let mut open = vec![root];
    while let Some(id) = open.pop() {
        let Some(node) = nodes.get(id) else { continue };
        for dependency in array(node, "deps") {
            let is_built = array(dependency, "dep_kinds").any(|kind| kind["kind"].is_null());
            let id = text(dependency, "pkg");
            if is_built && seen.insert(id) {
                open.push(id);
            }
        }
    }
    seen.iter()
        .filter_map(|id| names.get(id))
        .map(|name| (*name).to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A workspace package with its normal dependencies: those in `inside` are ours.
    fn package(name: &str, inside: &[&str], outside: &[&str]) -> Value {
        let ours = inside
            .iter()
            .map(|name| json!({"name": name, "source": null, "kind": null}));
        let theirs = outside
            .iter()
            .map(|name| json!({"name": name, "source": "registry", "kind": null}));
        let dependencies: Vec<Value> = ours.chain(theirs).collect();
        json!({"id": name, "name": name, "source": null, "dependencies": dependencies})
    }

    fn metadata(packages: &[Value]) -> Value {
        json!({"packages": packages, "resolve": {"nodes": []}})
    }

    #[test]
    fn arrows_that_point_down_are_fine() {
        let metadata = metadata(&[
            package("holdwire-proto", &[], &["bytes"]),
            package("holdwire", &["holdwire-proto"], &["tokio"]),
            package("holdwire-server", &["holdwire", "holdwire-proto"], &[]),
            package("xtask", &["holdwire-server"], &[]),
        ]);

        assert_eq!(turned_arrows(&metadata), [""; 0]);
    }

    #[test]
    fn arrow_that_points_up_is_found() {
        let metadata = metadata(&[package("holdwire-proto", &["holdwire"], &[])]);

        assert_eq!(
            turned_arrows(&metadata),
            ["holdwire-proto imports holdwire"]
        );
    }

    #[test]
    fn import_of_a_crate_outside_the_layers_is_found() {
        let metadata = metadata(&[
            package("holdwire", &["xtask"], &[]),
            package("xtask", &["holdwire-conformance"], &[]),
        ]);

        let expected = [
            "holdwire imports xtask",
            "xtask imports holdwire-conformance",
        ];
        assert_eq!(turned_arrows(&metadata), expected);
    }

    #[test]
    fn crate_without_a_place_is_found() {
        let metadata = metadata(&[package("holdwire-extra", &[], &[])]);

        assert!(turned_arrows(&metadata)[0].contains("holdwire-extra is in no layer"));
    }

    #[test]
    fn protocol_with_a_dependency_off_its_list_is_found() {
        let metadata = metadata(&[package("holdwire-proto", &[], &["bytes", "rand"])]);

        let found = protocol_imports(&metadata);

        assert_eq!(found.len(), 1);
        assert!(found[0].contains("imports rand"));
    }

    #[test]
    fn shunned_crate_below_a_dependency_is_found_but_not_one_of_the_tests() {
        let edge = |id: &str, kind: Value| json!({"pkg": id, "dep_kinds": [{"kind": kind}]});
        let metadata = json!({
            "packages": [
                package("holdwire-proto", &[], &["bytes"]),
                {"id": "bytes", "name": "bytes", "source": "registry"},
                {"id": "mio", "name": "mio", "source": "registry"},
                {"id": "rand", "name": "rand", "source": "registry"},
            ],
            "resolve": {"nodes": [
                {"id": "holdwire-proto", "deps": [
                    edge("bytes", Value::Null), edge("rand", json!("dev")),
                ]},
                {"id": "bytes", "deps": [edge("mio", Value::Null)]},
                {"id": "mio", "deps": []},
                {"id": "rand", "deps": []},
            ]},
        });

        let expected = ["holdwire-proto builds with mio through its dependencies"];
        assert_eq!(protocol_imports(&metadata), expected);
    }
}
