//! Every relative link in a Markdown document leads to a file, and to a heading where it names one.

use std::collections::HashSet;
use std::path::Path;

use crate::failure::Failure;
use crate::process::Runner;
use crate::workspace::Workspace;

/// The stage: the documents that git knows or would take.
pub(crate) fn run(workspace: &Workspace, runner: &Runner) -> Result<(), Failure> {
    let mut git = workspace.command("git");
    git.args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "*.md",
    ]);
    let files = runner.output(&mut git)?;
    let mut found = Vec::new();
    let mut count = 0;
    for name in files.lines() {
        let path = workspace.path(name);
        let Ok(document) = std::fs::read_to_string(&path) else {
            continue;
        };
        for (line, target) in links(&document) {
            count += 1;
            if let Some(reason) = broken(&path, &document, &target) {
                found.push(format!("{name}:{line} links to {target}: {reason}"));
            }
        }
    }
    println!(
        "  {count} relative links in {} documents",
        files.lines().count()
    );
    Failure::unless_empty("broken links", &found)
}

/// Why a link leads nowhere; `None` for a good one.
fn broken(document: &Path, text: &str, target: &str) -> Option<String> {
    let (path, heading) = target.split_once('#').unwrap_or((target, ""));
    let folder = document.parent()?;
    let file = folder.join(path);
    if !path.is_empty() && !file.exists() {
        return Some("no such file".to_owned());
    }
    if heading.is_empty() || !(path.is_empty() || path.ends_with(".md")) {
        return None;
    }
    let known = match path {
        "" => headings(text),
        _ => headings(&std::fs::read_to_string(&file).ok()?),
    };
    (!known.contains(heading)).then(|| "no such heading".to_owned())
}

/// The relative targets of a document's links and pictures, each with its line.
fn links(document: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(document) {
        for (start, end) in [
            ("](", ")"),
            ("href=\"", "\""),
            ("src=\"", "\""),
            ("]: ", " "),
        ] {
            let mut rest = line.as_str();
            while let Some(at) = rest.find(start) {
                rest = &rest[at + start.len()..];
                let target = rest.split(end).next().unwrap_or_default();
                let target = target.split(' ').next().unwrap_or_default();
                if is_relative(target) {
                    found.push((number, target.to_owned()));
                }
            }
        }
    }
    found
}

fn is_relative(target: &str) -> bool {
    !target.is_empty() && !target.starts_with('/') && !target.contains(':')
}

/// The lines outside fenced code, with inline code taken out.
fn prose(document: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut is_fenced = false;
    for (index, line) in document.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            is_fenced = !is_fenced;
        } else if !is_fenced {
            let outside_code: String = line.split('`').step_by(2).collect();
            lines.push((index + 1, outside_code));
        }
    }
    lines
}

/// The anchors that a document's headings get: lower case, blanks as hyphens, no punctuation.
fn headings(document: &str) -> HashSet<String> {
    let mut is_fenced = false;
    let mut anchors = HashSet::new();
    for line in document.lines() {
        if line.trim_start().starts_with("```") {
            is_fenced = !is_fenced;
        }
        let text = line.trim_start_matches('#');
        if is_fenced || text.len() == line.len() || !text.starts_with(' ') {
            continue;
        }
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        let anchor: String = text.trim().to_lowercase().chars().filter(kept).collect();
        anchors.insert(anchor.replace(' ', "-"));
    }
    anchors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(document: &str) -> Vec<String> {
        links(document)
            .into_iter()
            .map(|(_, target)| target)
            .collect()
    }

    #[test]
    fn links_pictures_and_references_are_found() {
        let document =
            "[a](one.md) and ![b](two.png \"title\")\n<img src=\"three.png\">\n[c]: four.md\n";

        assert_eq!(
            targets(document),
            ["one.md", "two.png", "three.png", "four.md"]
        );
    }

    #[test]
    fn addresses_and_code_are_no_relative_links() {
        let document = "[a](https://example.org) [b](mailto:a@example.org) `[c](no.md)`\n```\n[d](no.md)\n```\n";

        assert_eq!(targets(document), [""; 0]);
    }

    #[test]
    fn missing_file_and_missing_heading_are_broken() {
        let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
        let text = "# The gate, in short\n";

        assert_eq!(broken(&document, text, "Cargo.toml"), None);
        assert_eq!(broken(&document, text, "#the-gate-in-short"), None);
        assert!(broken(&document, text, "missing.md").is_some());
        assert!(broken(&document, text, "#missing").is_some());
    }
}
