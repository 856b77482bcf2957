//! Header lines of extensions.
#![no_main]

use holdwire_proto::deflate::{DeflateConfig, accept_offer, verify};
use holdwire_proto::extension::{Extension, parse};

fn written(extension: &Extension) -> String {
    let mut line = extension.name.clone();
    for (name, value) in &extension.params {
        line.push_str("; ");
        line.push_str(name);
        if let Some(value) = value {
            line.push_str("=\"");
            line.push_str(value);
            line.push('"');
        }
    }
    line
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let lines = data.split(|byte| *byte == b'\n');
    let Ok(extensions) = parse(lines) else {
        return;
    };
    let again: Vec<String> = extensions.iter().map(written).collect();
    assert_eq!(parse([again.join(", ")]).as_ref(), Ok(&extensions));

    for config in [
        DeflateConfig::default(),
        DeflateConfig::with_context_takeover(),
    ] {
        let _ = verify(&config, &extensions);
        if let Some((params, answer)) = accept_offer(&config, &extensions) {
            let answer = parse([answer.as_bytes()]).expect("a legal answer");
            assert_eq!(answer.len(), 1);
            // Some client offered what was answered; ours with the same wishes agrees, or says why.
            if let Ok(agreed) = verify(&config, &answer) {
                assert_eq!(agreed, Some(params));
            }
        }
    }
});
