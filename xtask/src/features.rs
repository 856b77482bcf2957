//! Every feature builds alone, with all others, and not at all.
//!
//! Clippy checks each set, for an item that only one feature uses is dead without it, and that is
//! a warning that no build of all features shows.

use serde_json::Value;

use crate::failure::Failure;
use crate::process::Runner;
use crate::workspace::{Workspace, members, text};

/// Up to this many features every subset is built; above it none, each alone, each pair, and all.
const FEATURES_IN_FULL: usize = 4;

/// The stage.
pub(crate) fn run(workspace: &Workspace, runner: &Runner) -> Result<(), Failure> {
    let metadata = workspace.metadata(runner)?;
    for package in members(&metadata) {
        let features = features_of(package);
        if features.is_empty() {
            continue;
        }
        for set in sets(&features) {
            let name = text(package, "name");
            let arguments = ["clippy", "--quiet", "--no-default-features", "-p", name];
            let mut command = workspace.cargo(&arguments);
            if !set.is_empty() {
                command.args(["--features", &set.join(",")]);
            }
            runner.run(command.args(["--", "-D", "warnings"]))?;
        }
    }
    Ok(())
}

/// The features that a package declares, but for the set that is on by default.
fn features_of(package: &Value) -> Vec<&str> {
    let features = package["features"].as_object().into_iter().flatten();
    features
        .map(|(name, _)| name.as_str())
        .filter(|name| *name != "default")
        .collect()
}

/// The sets of features to build: small ones first, all of them last.
fn sets<'a>(features: &[&'a str]) -> Vec<Vec<&'a str>> {
    let mut sets: Vec<Vec<&str>> = vec![Vec::new()];
    for feature in features {
        for at in 0..sets.len() {
            let mut with = sets[at].clone();
            with.push(feature);
            let is_kept = with.len() <= 2 || features.len() <= FEATURES_IN_FULL;
            if is_kept {
                sets.push(with);
            }
        }
    }
    if features.len() > FEATURES_IN_FULL {
        sets.push(features.to_vec());
    }
    sets.sort_by_key(Vec::len);
    sets
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn few_features_give_every_subset() {
        let sets = sets(&["a", "b", "c"]);

        let expected: [&[&str]; 8] = [
            &[],
            &["a"],
            &["b"],
            &["c"],
            &["a", "b"],
            &["a", "c"],
            &["b", "c"],
            &["a", "b", "c"],
        ];
        assert_eq!(sets, expected);
    }

    #[test]
    fn many_features_give_none_each_pairs_and_all() {
        let sets = sets(&["a", "b", "c", "d", "e", "f"]);

        assert_eq!(sets.len(), 1 + 6 + 15 + 1);
        assert_eq!(sets[0], [""; 0]);
        assert_eq!(sets[22], ["a", "b", "c", "d", "e", "f"]);
    }

    #[test]
    fn default_is_no_feature_of_its_own() {
        let package = json!({"features": {"default": ["tls"], "tls": [], "proxy": []}});

        assert_eq!(features_of(&package), ["proxy", "tls"]);
    }
}
