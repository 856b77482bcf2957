//! `docs/guide/flaws.md` says of each flaw where it is tested: the files and tests it names are there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const FLAWS: &str = include_str!("../../docs/guide/flaws.md");

/// The rows of the table below a heading, without its head, as trimmed cells.
fn table(heading: &str) -> Vec<[&str; 3]> {
    let (_, section) = FLAWS
        .split_once(&format!("## {heading}\n"))
        .expect("the heading is there");
    let rows = section.lines().skip_while(|line| !line.starts_with('|'));
    rows.take_while(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            <[&str; 3]>::try_from(cells).unwrap_or_else(|_| panic!("three cells: {line}"))
        })
        .collect()
}

#[test]
fn every_flaw_is_described_and_has_a_test_or_a_reason() {
    let ids: Vec<String> = (1..=29).map(|number| format!("F-{number:02}")).collect();

    let described: Vec<&str> = table("The flaws").iter().map(|row| row[0]).collect();
    let tested: BTreeSet<&str> = table("Where each is tested")
        .iter()
        .map(|row| row[0])
        .collect();

    assert_eq!(described, ids);
    assert!(tested.into_iter().eq(ids.iter().map(String::as_str)));
}

#[test]
fn every_test_that_is_named_is_there() {
    for [id, file, name] in table("Where each is tested") {
        if file == "none" {
            assert!(name.len() > 20, "{id}: a reason");
            continue;
        }
        let file = file.trim_matches('`');
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{id}: {file}: {error}"));
        let name = name.trim_matches('`');
        assert!(
            has_test(file, &text, name),
            "{id}: no test {name:?} in {file}"
        );
    }
}

/// Whether a file has a test of this name: a function in Rust; a sentence stands in quotes.
fn has_test(file: &str, text: &str, name: &str) -> bool {
    if file.ends_with(".rs") && !name.contains(' ') {
        return has_rust_test(text, name);
    }
    ['"', '\'', '`']
        .iter()
        .any(|quote| text.contains(&format!("{quote}{name}{quote}")))
}

fn has_rust_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    let sync = format!("fn {name}(");
    let found = lines
        .iter()
        .position(|line| line.trim_start_matches("async ").starts_with(&sync));
    let Some(at) = found else {
        return false;
    };
    let above = lines[..at].iter().rev();
    let mut attributes = above.take_while(|line| line.starts_with("#[") || line.starts_with("//"));
    attributes.any(|line| line.contains("test"))
}

#[test]
fn a_test_that_is_not_there_is_noticed() {
    let rust = "#[tokio::test]\nasync fn kept() {}\n\nfn helper() {}\n";

    assert!(has_test("a.rs", rust, "kept"));
    assert!(!has_test("a.rs", rust, "helper"));
    assert!(!has_test("a.rs", rust, "kep"));
    assert!(has_test("a.rs", "check(\"back in time\")", "back in time"));
    assert!(has_test("a.ts", "test(\"comes back\", ", "comes back"));
    assert!(!has_test("a.ts", "// comes back", "comes back"));
}
