//! Patterns for names of channels.

/// Whether a name is like a pattern, in which `*` stands for any text and `?` for one character.
///
/// It takes a time in the order of both lengths multiplied at most.
pub(super) fn is_like(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut at, mut seen) = (0, 0);
    // Behind the last star, and how much of the name it has taken.
    let mut star: Option<(usize, usize)> = None;
    while seen < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at + 1, seen));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[seen] => {
                (at, seen) = (at + 1, seen + 1);
            }
            _ => match &mut star {
                // The star takes one more.
                Some((behind, taken)) => {
                    *taken += 1;
                    (at, seen) = (*behind, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn star_is_any_text_and_question_mark_one_character() {
        for (pattern, name) in [
            ("chat:a", "chat:a"),
            ("*", ""),
            ("chat:*", "chat:"),
            ("chat:*", "chat:lobby"),
            ("*:a*b", "x:aab"),
            ("c?at:**", "chat:x"),
        ] {
            assert!(is_like(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("", "a"),
            ("a", ""),
            ("chat:?", "chat:"),
            ("*:ab", "x:a"),
            ("a*b", "ba"),
        ] {
            assert!(!is_like(pattern, name), "{pattern} {name}");
        }
    }
}
