//! Advice that is written is read again, and the reader is as strict as another JSON reader.

use std::time::Duration;

use holdwire_proto::Advice;
use holdwire_proto::close::MAX_CLOSE_REASON;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

fn any_advice() -> impl Strategy<Value = Advice> {
    let delay = prop_oneof![0..60_000_u64, 0..1_u64 << 53];
    let text = prop_oneof![
        any::<String>(),
        "[ -~]{0,50}",
        "wss://[a-z]{1,60}/",
        "[\\x00-\\x1f\"\\\\]{0,8}"
    ];
    (
        option::of(delay),
        option::of(text.clone()),
        option::of(text),
    )
        .prop_map(|(delay, url, reason)| Advice {
            retry_after: delay.map(Duration::from_millis),
            url,
            reason,
        })
}

/// Pieces of JSON, so that garbage of them is often nearly right.
fn any_garbage() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        " ",
        "\"reason\":",
        "\"retry_after_ms\":",
        "\"a\"",
        "\"",
        "\\n",
        "\\u00e4",
        "\\",
        "0",
        "12",
        "-",
        ".5",
        "e3",
        "E+1",
        "true",
        "false",
        "null",
        "ä",
        "\n",
    ]);
    let pieces = vec(piece, 0..12).prop_map(|pieces| pieces.concat());
    prop_oneof![
        pieces.clone(),
        pieces
            .clone()
            .prop_map(|inside| format!("{{\"reason\":\"b\",\"a\":{inside}}}")),
        pieces.prop_map(|inside| format!("{{\"reason\":\"b{inside}\"}}")),
    ]
}

proptest! {
    #[test]
    fn what_is_written_fits_and_is_read_again(advice in any_advice()) {
        let written = advice.to_string();

        prop_assert!(written.len() <= MAX_CLOSE_REASON);
        let read = Advice::parse(&written).unwrap_or_default();
        let is_whole = read == advice;
        let without_url = Advice { url: None, ..advice.clone() };
        let only_delay = Advice { reason: None, ..without_url.clone() };
        prop_assert!(is_whole || read == without_url || read == only_delay, "{written}");
        let size = advice.url.map_or(0, |url| url.len()) + advice.reason.map_or(0, |reason| reason.len());
        // Six bytes are the longest escape; the names and the delay have fewer than 60.
        prop_assert!(is_whole || 6 * size + 60 > MAX_CLOSE_REASON, "{written}");
    }

    #[test]
    fn what_is_no_json_is_a_plain_reason(reason in any_garbage()) {
        let object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&reason);

        let Ok(object) = object else {
            prop_assert_eq!(Advice::parse(&reason), None);
            return Ok(());
        };
        let integer = |number: &serde_json::Value| number.as_f64().filter(|ms| *ms >= 0.0 && ms.fract() == 0.0);
        let delay_is_right = object.get("retry_after_ms").is_none_or(|value| integer(value).is_some());
        let reason_is_right = object.get("reason").is_none_or(serde_json::Value::is_string);
        let has_member = object.contains_key("retry_after_ms") || object.contains_key("reason");
        let is_advice = delay_is_right && reason_is_right && has_member && reason.len() <= MAX_CLOSE_REASON;
        let advice = Advice::parse(&reason);
        prop_assert_eq!(advice.is_some(), is_advice, "{}", reason);
        if let Some(advice) = advice {
            let said = object.get("reason").and_then(serde_json::Value::as_str);
            prop_assert_eq!(advice.reason.as_deref(), said);
        }
    }
}
