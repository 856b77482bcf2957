//! The READMEs show the examples as they are, the same in every language.

use std::path::Path;

/// Every fenced block that follows a line with a link to an example: the example's path and the code.
fn snippets(document: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut linked = None;
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            let code = lines.by_ref().take_while(|line| !line.starts_with("```"));
            let code: Vec<&str> = code.collect();
            if let Some(path) = linked.take() {
                found.push((path, code.join("\n")));
            }
        } else if let Some((_, path)) = line.split_once("](examples/") {
            linked = path.split_once(')').map(|(path, _)| path.to_owned());
        } else if !line.is_empty() {
            linked = None;
        }
    }
    found
}

/// A file of the examples, without the indentation that a script has in a page.
fn example(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let text = std::fs::read_to_string(&path).expect("the example can be read");
    if path
        .extension()
        .is_some_and(|extension| extension == "html")
    {
        let lines = text
            .lines()
            .map(|line| line.strip_prefix("  ").unwrap_or(line));
        return lines.collect::<Vec<_>>().join("\n");
    }
    text
}

#[test]
fn every_readme_shows_the_examples_as_they_are() {
    for readme in [
        include_str!("../../README.md"),
        include_str!("../../README.zh-CN.md"),
    ] {
        let snippets = snippets(readme);

        let paths: Vec<&str> = snippets.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["server.rs", "line.rs", "socket.mjs"]);
        for (path, code) in &snippets {
            assert!(
                example(path).contains(code),
                "{path} has not this in it:\n{code}"
            );
        }
    }
}

#[test]
fn guides_show_the_smallest_programs_as_they_are() {
    for (guide, path) in [
        (include_str!("../../docs/guide/server.md"), "server.rs"),
        (include_str!("../../docs/guide/client.md"), "client.rs"),
        (include_str!("../../docs/guide/channels.md"), "channels.rs"),
    ] {
        let (_, rest) = guide.split_once("```rust,no_run\n").expect("a program");
        let (code, _) = rest.split_once("```").expect("its end");
        assert!(
            example(path).ends_with(code),
            "{path} does not end with:\n{code}"
        );
    }
}
