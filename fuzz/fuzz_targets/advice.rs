//! Close reasons that may be advice.
#![no_main]

use holdwire_proto::Advice;
use holdwire_proto::close::MAX_CLOSE_REASON;

libfuzzer_sys::fuzz_target!(|reason: &str| {
    let Some(advice) = Advice::parse(reason) else {
        return;
    };
    assert!(reason.len() <= MAX_CLOSE_REASON && advice != Advice::default());

    let written = advice.to_string();
    assert!(written.len() <= MAX_CLOSE_REASON);
    let again = Advice::parse(&written).unwrap_or_default();
    // An exponent is shorter than its digits, and a character than its escape: then less is said.
    assert_eq!(again.retry_after, advice.retry_after);
    assert!(again.url.is_none() || again.url == advice.url);
    assert!(again.reason.is_none() || again.reason == advice.reason);
    assert_eq!(again.to_string(), written);
});
