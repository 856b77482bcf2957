//! `holdwire serve --check-config`: every setting with its value and where it came from, and
//! the namespaces of channels and the keys of tokens.

use std::fmt::Write as _;

use crate::config::ServeConfig;
use crate::token::algorithm_names;

/// The text for standard output.
pub fn report(config: &ServeConfig) -> String {
    let mut text = String::from("configuration ok\n");
    for setting in config.effective() {
        let value = setting.value.as_deref().unwrap_or("not set");
        writeln!(text, "{} = {value}  ({})", setting.name, setting.source)
            .expect("a String takes all that is written to it");
    }
    if config.namespaces.is_empty() {
        text.push_str("namespaces = not set  (default)\n");
    }
    for namespace in &config.namespaces {
        for (key, value, source) in &namespace.effective {
            writeln!(
                text,
                "namespaces.{}.{key} = {value:?}  ({source})",
                namespace.name
            )
            .expect("a String takes all that is written to it");
        }
    }
    for named in &config.keys {
        let names = algorithm_names(named.key.algorithms());
        writeln!(
            text,
            "keys.{} = for {names}  ({})",
            named.name, named.source
        )
        .expect("a String takes all that is written to it");
    }
    text
}
