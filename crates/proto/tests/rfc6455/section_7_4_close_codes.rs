//! Close codes (RFC 6455 §7.4).

use holdwire_proto::{CloseCode, Violation};

use crate::common::{Seen, both, both_refuse, both_see};

fn close_frame(code: u16) -> Vec<u8> {
    let [high, low] = code.to_be_bytes();
    vec![0x88, 2, high, low]
}

#[test]
fn codes_that_may_be_sent_are_taken_and_echoed() {
    for code in [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000,
        4999,
    ] {
        both_see(
            &close_frame(code),
            &[Seen::Close(Some(code), String::new())],
        );
        for mut end in both() {
            end.hears(&close_frame(code));
            assert_eq!(end.says(), close_frame(code), "{code}");
        }
    }
}

#[test]
fn codes_that_must_not_be_sent_are_refused() {
    for code in [
        0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535,
    ] {
        both_refuse(&close_frame(code), Violation::InvalidCloseFrame, 1002);
    }
}

#[test]
fn a_code_is_sent_with_its_reason() {
    for mut end in both() {
        end.close(4999, "漢字");

        assert_eq!(end.says(), b"\x88\x08\x13\x87\xe6\xbc\xa2\xe5\xad\x97");
    }
}

#[test]
fn a_reason_that_is_too_long_is_cut_between_two_characters() {
    for mut end in both() {
        end.close(1000, &"é".repeat(100));

        let expected = [&b"\x88\x7c\x03\xe8"[..], "é".repeat(61).as_bytes()].concat();
        assert_eq!(end.says(), expected);
    }
}

#[test]
fn a_code_that_must_not_be_sent_cannot_be_built() {
    for code in 0..=u16::MAX {
        let is_legal = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
        assert_eq!(CloseCode::try_from(code).is_ok(), is_legal, "{code}");
    }
}
