//! A page of text for a terminal: headings, rows with labels, bars, at most 80 columns wide.

use crate::one_line::write_one_line;

/// How wide a page is.
const WIDTH: usize = 80;

/// Where the text of a row begins.
const INDENT: usize = 18;

/// How something looks where there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    None,
    Bold,
    Dim,
    Green,
    Yellow,
    Red,
}

/// Whether a stream shows colours.
pub(super) fn has_colour(is_terminal: bool) -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    is_terminal && !is_set("NO_COLOR") && !is_dumb
}

/// The text so far.
pub(super) struct Page {
    text: String,
    has_colour: bool,
}

impl Page {
    pub(super) fn new(has_colour: bool) -> Self {
        Self {
            text: String::new(),
            has_colour,
        }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// A heading with an empty line above.
    pub(super) fn heading(&mut self, title: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.push(Colour::Bold, title);
        self.text.push('\n');
    }

    /// A label and what is to be said of it; long text goes on below.
    pub(super) fn row(&mut self, label: &str, text: &str) {
        self.marked_row((" ", Colour::None), label, text);
    }

    /// As [`Page::row`], with a mark in front.
    pub(super) fn marked_row(&mut self, (mark, colour): (&str, Colour), label: &str, text: &str) {
        self.push(colour, mark);
        self.text.push(' ');
        let label = format!("{label:<width$} ", width = INDENT - 3);
        self.push(Colour::Dim, &label);
        self.wrap(text, INDENT);
    }

    /// A mark and a text without a label, and below it what to do.
    pub(super) fn item(
        &mut self,
        (mark, colour): (&str, Colour),
        text: &str,
        advice: Option<&str>,
    ) {
        self.push(colour, mark);
        self.text.push(' ');
        self.wrap(text, 2);
        if let Some(advice) = advice {
            self.push(Colour::Dim, "  → ");
            self.wrap(advice, 4);
        }
    }

    /// A bar of a chart: what it stands for, its share of the longest, what to say of it.
    pub(super) fn bar(&mut self, label: &str, value: &str, share: f64, text: &str) {
        self.text.push_str("  ");
        self.push(Colour::Dim, &format!("{label:<LABEL$}"));
        self.text.push_str(&format!("{value:>VALUE$}  "));
        let bar = bar(share);
        self.push(Colour::Green, &format!("{bar:<width$}", width = BAR));
        self.text.push(' ');
        self.wrap(text, 2 + LABEL + VALUE + 2 + BAR + 1);
    }

    /// Text at the cursor, the lines below it indented.
    fn wrap(&mut self, text: &str, indent: usize) {
        let mut clean = String::new();
        // Writing to a string does not fail.
        let _ = write_one_line(text, &mut clean);
        let mut column = indent;
        for word in clean.split(' ').filter(|word| !word.is_empty()) {
            let mut word = word;
            loop {
                let length = word.chars().count();
                let gap = usize::from(column > indent);
                if column + gap + length <= WIDTH {
                    self.text.extend((gap == 1).then_some(' '));
                    self.text.push_str(word);
                    column += gap + length;
                    break;
                }
                if column > indent {
                    self.new_line(indent);
                    column = indent;
                    continue;
                }
                // Longer than a line: what fits, and the rest below.
                let fits = word
                    .char_indices()
                    .nth(WIDTH - indent)
                    .map_or(word.len(), |(at, _)| at);
                let (head, tail) = word.split_at(fits);
                self.text.push_str(head);
                self.new_line(indent);
                word = tail;
            }
        }
        let end = self.text.trim_end_matches(' ').len();
        self.text.truncate(end);
        self.text.push('\n');
    }

    fn new_line(&mut self, indent: usize) {
        self.text.push('\n');
        self.text.extend(std::iter::repeat_n(' ', indent));
    }

    fn push(&mut self, colour: Colour, text: &str) {
        let code = match colour {
            Colour::None => "",
            Colour::Bold => "1",
            Colour::Dim => "2",
            Colour::Green => "32",
            Colour::Yellow => "33",
            Colour::Red => "31",
        };
        if self.has_colour && !code.is_empty() {
            self.text.push_str(&format!("\x1b[{code}m{text}\x1b[0m"));
        } else {
            self.text.push_str(text);
        }
    }
}

/// Columns of a bar's label and value.
const LABEL: usize = 10;
const VALUE: usize = 8;

/// Columns of a bar.
const BAR: usize = 16;

/// A bar in eighths of a column; what is more than nothing is seen.
fn bar(share: f64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let most = BAR * 8;
    let eighths = (1..=most)
        .take_while(|&step| step as f64 <= share * most as f64)
        .count();
    let eighths = eighths.max(usize::from(share > 0.0));
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_the_page() {
        let mut page = Page::new(false);
        page.row("label", &"some words ".repeat(30));
        page.row("long", &"x".repeat(200));
        page.item(
            ("!", Colour::Yellow),
            &"some words ".repeat(30),
            Some(&"do this ".repeat(30)),
        );
        page.bar("name", "0.04 ms", 1.0, &"words ".repeat(30));
        let text = page.into_text();

        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH, "{line}");
            assert!(!line.ends_with(' '), "{line:?}");
        }
        assert_eq!(text.matches('x').count(), 200);
    }

    #[test]
    fn text_of_others_is_seen_and_not_obeyed() {
        let mut page = Page::new(true);
        page.row("server", "evil\x1b[31m\r\nVerdict: ok");

        let text = page.into_text();
        assert!(text.contains("evil\\u{1b}[31m\\r\\nVerdict:"), "{text}");
    }

    #[test]
    fn bars_grow_with_their_share() {
        assert_eq!(bar(0.0), "");
        assert_eq!(bar(0.0001), "▏");
        assert_eq!(bar(0.5), "█".repeat(8));
        assert_eq!(bar(1.0), "█".repeat(16));
    }
}
