//! What is printed: a line a group, each failure in full, the sums last.

use super::judge::{Mismatch, Verdict};

/// What a person wants to know of a case.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told<'a> {
    pub(crate) group: &'a str,
    pub(crate) name: &'a str,
    pub(crate) section: &'a str,
}

/// Collects verdicts in the order of the catalogue.
#[derive(Debug, Default)]
pub(crate) struct Report<'a> {
    verdicts: Vec<(Told<'a>, Verdict)>,
}

impl<'a> Report<'a> {
    pub(crate) fn add(&mut self, told: Told<'a>, verdict: Verdict) {
        self.verdicts.push((told, verdict));
    }

    /// Prints everything; true when nothing failed and something ran.
    pub(crate) fn print(&self) -> bool {
        for group in self
            .verdicts
            .chunk_by(|(before, _), (after, _)| before.group == after.group)
        {
            println!(
                "{:<14} {:>3} passed, {} failed",
                group[0].0.group,
                passed(group),
                failures(group).count()
            );
            for (told, mismatch) in failures(group) {
                println!("  FAILED {} [{}]", told.name, told.section);
                println!("    expected: {}", mismatch.expected);
                println!("    seen:     {}", mismatch.seen);
            }
        }
        let passed = passed(&self.verdicts);
        let failed = failures(&self.verdicts).count();
        let not_applicable = self.verdicts.len() - passed - failed;
        if not_applicable > 0 {
            println!("{not_applicable} not applicable to what the server agreed");
        }
        println!("{passed} passed, {failed} failed");
        failed == 0 && passed > 0
    }
}

fn passed(verdicts: &[(Told<'_>, Verdict)]) -> usize {
    verdicts
        .iter()
        .filter(|(_, verdict)| *verdict == Verdict::Passed)
        .count()
}

fn failures<'a>(
    verdicts: &'a [(Told<'a>, Verdict)],
) -> impl Iterator<Item = (&'a Told<'a>, &'a Mismatch)> {
    verdicts.iter().filter_map(|(told, verdict)| match verdict {
        Verdict::Failed(mismatch) => Some((told, mismatch)),
        _ => None,
    })
}
