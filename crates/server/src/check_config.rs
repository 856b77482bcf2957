//! `holdwire serve --check-config`: every setting with its value and where it came from.

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
    text
}
