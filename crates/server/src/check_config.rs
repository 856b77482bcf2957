//! `holdwire serve --check-config`: every setting with its value and where it came from, and
//! the namespaces of channels.

use std::fmt::Write as _;

use crate::config::ServeConfig;

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
    text
}
