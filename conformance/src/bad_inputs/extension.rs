//! Whether the server's answer to an extension offer is one that RFC 7692 §7.1 allows.

/// What was agreed for permessage-deflate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Deflate {
    pub(crate) server_no_context_takeover: bool,
    pub(crate) client_no_context_takeover: bool,
    pub(crate) server_max_window_bits: Option<u8>,
    pub(crate) client_max_window_bits: Option<u8>,
    /// `client_max_window_bits` stood there, with or without a value.
    has_client_max_window_bits: bool,
}

/// Judges the answer against the offers (the values of all header lines).
///
/// # Errors
/// A sentence about what the RFC forbids in the answer.
pub(crate) fn agreed(offers: &[String], answer: Option<&str>) -> Result<Option<Deflate>, String> {
    let Some(answer) = answer else {
        return Ok(None);
    };
    let told = |problem: &str| format!("the extension answer {answer:?}: {problem}");
    if answer.contains(',') {
        return Err(told("more than one extension"));
    }
    let answered = parsed(answer, Side::Answer).ok_or_else(|| told("not allowed by RFC 7692"))?;
    let fits = offers
        .iter()
        .flat_map(|line| line.split(','))
        .filter_map(|offer| parsed(offer, Side::Offer))
        .any(|offer| is_answer_to(answered, offer));
    if fits {
        Ok(Some(answered))
    } else {
        Err(told("fits no valid offer"))
    }
}

/// The rules of RFC 7692 §7.1.1 and §7.1.2 between one offer and the answer.
fn is_answer_to(answer: Deflate, offer: Deflate) -> bool {
    let takeover = answer.server_no_context_takeover || !offer.server_no_context_takeover;
    let server_bits = match (offer.server_max_window_bits, answer.server_max_window_bits) {
        (Some(most), Some(bits)) => bits <= most,
        (Some(_), None) => false,
        (None, _) => true,
    };
    let client_bits = match answer.client_max_window_bits {
        Some(bits) => {
            offer.has_client_max_window_bits && bits <= offer.client_max_window_bits.unwrap_or(15)
        }
        None => true,
    };
    takeover && server_bits && client_bits
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Offer,
    Answer,
}

/// One permessage-deflate element; `None` when it is another extension or against the rules.
fn parsed(element: &str, side: Side) -> Option<Deflate> {
    let mut parts = element.split(';').map(str::trim);
    if parts.next()? != "permessage-deflate" {
        return None;
    }
    let mut deflate = Deflate::default();
    for part in parts {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim().trim_matches('"'))),
            None => (part, None),
        };
        match (name, value) {
            ("server_no_context_takeover", None) if !deflate.server_no_context_takeover => {
                deflate.server_no_context_takeover = true;
            }
            ("client_no_context_takeover", None) if !deflate.client_no_context_takeover => {
                deflate.client_no_context_takeover = true;
            }
            ("server_max_window_bits", Some(bits)) if deflate.server_max_window_bits.is_none() => {
                deflate.server_max_window_bits = Some(window_bits(bits)?);
            }
            ("client_max_window_bits", value) if !deflate.has_client_max_window_bits => {
                deflate.has_client_max_window_bits = true;
                deflate.client_max_window_bits = match value {
                    Some(bits) => Some(window_bits(bits)?),
                    None if side == Side::Offer => None,
                    None => return None,
                };
            }
            _ => return None,
        }
    }
    Some(deflate)
}

/// 8 to 15 without leading zeros (RFC 7692 §7.1.2.1).
fn window_bits(digits: &str) -> Option<u8> {
    let bits: u8 = digits.parse().ok()?;
    ((8..=15).contains(&bits) && digits == bits.to_string()).then_some(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(offer: &str, answer: &str) -> bool {
        agreed(&[offer.to_owned()], Some(answer)).is_ok()
    }

    #[test]
    fn answer_must_fit_an_offer() {
        assert!(judge("permessage-deflate", "permessage-deflate"));
        assert!(judge(
            "permessage-deflate",
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
        ));
        assert!(judge(
            "permessage-deflate; server_max_window_bits=20, permessage-deflate",
            "permessage-deflate"
        ));
        assert!(!judge("", "permessage-deflate"));
        assert!(!judge("permessage-deflate; x=1", "permessage-deflate"));
    }

    #[test]
    fn window_of_the_client_is_limited_only_when_it_offered_that() {
        let answer = "permessage-deflate; client_max_window_bits=10";

        assert!(judge("permessage-deflate; client_max_window_bits", answer));
        assert!(!judge("permessage-deflate", answer));
        assert!(!judge(
            "permessage-deflate; client_max_window_bits=9",
            answer
        ));
    }

    #[test]
    fn demand_of_the_client_must_be_met() {
        let offer = "permessage-deflate; server_no_context_takeover; server_max_window_bits=10";

        assert!(judge(
            offer,
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=9"
        ));
        assert!(!judge(offer, "permessage-deflate"));
        assert!(!judge(
            offer,
            "permessage-deflate; server_no_context_takeover"
        ));
    }
}
