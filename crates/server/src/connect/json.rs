//! JSON indented, with not one of its tokens changed.

/// The text indented; `None` when it is not JSON, or nested deeper than anybody reads.
///
/// Numbers, order and escapes stay as they came: only the white space is ours.
pub(super) fn pretty(text: &str) -> Option<String> {
    serde_json::from_str::<serde_json::Value>(text).ok()?;
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth = 0;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' => {
                out.push('"');
                while let Some(inner) = characters.next() {
                    out.push(inner);
                    match inner {
                        '\\' => out.extend(characters.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            '{' | '[' => {
                out.push(character);
                while characters
                    .next_if(|next| next.is_ascii_whitespace())
                    .is_some()
                {}
                match characters.next_if(|next| matches!(next, '}' | ']')) {
                    Some(end) => out.push(end),
                    None => {
                        depth += 1;
                        new_line(&mut out, depth);
                    }
                }
            }
            '}' | ']' => {
                depth -= 1;
                new_line(&mut out, depth);
                out.push(character);
            }
            ',' => {
                out.push(',');
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            _ if character.is_ascii_whitespace() => {}
            _ => out.push(character),
        }
    }
    Some(out)
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_stay_as_they_came() {
        let text = r#" {"z":[1.50, 1e400 ,"a\" :,{"],"a":{ },"b":[],"z":null} "#;

        let expected = r#"{
  "z": [
    1.50,
    1e400,
    "a\" :,{"
  ],
  "a": {},
  "b": [],
  "z": null
}"#;
        // serde_json reads no number beyond a double's range.
        assert_eq!(pretty(text), None);
        let text = text.replace("1e400", "1e30");
        assert_eq!(pretty(&text).unwrap(), expected.replace("1e400", "1e30"));
    }

    #[test]
    fn what_is_not_json_is_left_alone() {
        for text in ["hello", "{", "", "{\"a\":1}}"] {
            assert_eq!(pretty(text), None, "{text}");
        }
        assert_eq!(pretty(&"[".repeat(100_000)), None);
    }
}
