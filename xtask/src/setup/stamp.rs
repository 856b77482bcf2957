//! A file that tells from which requirements something was installed.

use std::path::Path;

use crate::failure::Failure;

/// Whether what is installed came from just these requirements.
pub(super) fn is_satisfied(stamp: &Path, wanted: &str) -> bool {
    std::fs::read_to_string(stamp).is_ok_and(|installed| installed == wanted)
}

/// Notes what was installed.
pub(super) fn write(stamp: &Path, installed: &str) -> Result<(), Failure> {
    std::fs::write(stamp, installed).map_err(Failure::io(stamp.display()))
}

/// The requirements that a file holds.
pub(super) fn read(requirements: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(requirements).map_err(Failure::io(requirements.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamp_holds_only_for_the_requirements_it_was_written_for() {
        let stamp = std::env::temp_dir().join(format!("xtask-stamp-{}", std::process::id()));

        assert!(!is_satisfied(&stamp, "ws 8"));
        write(&stamp, "ws 8").expect("a temporary file");
        assert!(is_satisfied(&stamp, "ws 8"));
        assert!(!is_satisfied(&stamp, "ws 9"));

        std::fs::remove_file(&stamp).expect("the file is ours");
    }
}
