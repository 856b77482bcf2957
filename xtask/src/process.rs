//! Child processes that cannot outlive their budget.
//!
//! Every child leads a process group of its own. When the budget is spent, or Ctrl-C comes, the
//! whole group is killed, so that a browser or a server that a script started goes with it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::Failure;

/// How a suite of ours begins the line of a check that has failed.
const FAILED: &str = "FAIL ";

/// How much of such a line is repeated at the end.
const FAILED_CHARACTERS: usize = 400;

/// Set once a signal asked us to end.
pub(crate) type Interrupted = Arc<AtomicBool>;

/// How long a child may be dead before we notice.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How many lines of a log are shown when its command fails.
const LOG_TAIL_LINES: usize = 40;

/// Notes SIGINT and SIGTERM, which a child in its own process group does not get by itself.
pub(crate) fn watch_interrupt() -> Result<Interrupted, Failure> {
    let interrupted = Interrupted::default();
    for signal in [
        signal_hook::consts::SIGINT,
        signal_hook::consts::SIGTERM,
        signal_hook::consts::SIGHUP,
    ] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted))
            .map_err(Failure::io("cannot watch for signals"))?;
    }
    Ok(interrupted)
}

/// Runs commands until one deadline that all of them share.
#[derive(Debug)]
pub(crate) struct Runner {
    budget: Duration,
    started: Instant,
    interrupted: Interrupted,
}

impl Runner {
    /// A runner whose budget begins now.
    pub(crate) fn new(budget: Duration, interrupted: &Interrupted) -> Self {
        Self {
            budget,
            started: Instant::now(),
            interrupted: Arc::clone(interrupted),
        }
    }

    /// Runs a command with our output; fails unless it exits with 0, and then names the checks that
    /// it said have failed: the log of a gate is long, and often only its end is kept.
    pub(crate) fn run(&self, command: &mut Command) -> Result<(), Failure> {
        println!("  $ {}", line_of(command));
        let mut child = self.spawn(command.stdout(Stdio::piped()))?;
        let reader = child
            .stdout
            .take()
            .map(|pipe| thread::spawn(move || pass_on(pipe)));
        let ended = self.finish(child);
        let failed = reader.and_then(|reader| reader.join().ok());
        require_success(command, ended?).map_err(|failure| match failed {
            Some(failed) if !failed.is_empty() => {
                Failure::new(format!("{failure}\n{}", failed.join("\n")))
            }
            _ => failure,
        })
    }

    /// Runs a command whose output goes to a file, the end of which is shown when it fails.
    pub(crate) fn run_logged(&self, command: &mut Command, log: &Path) -> Result<(), Failure> {
        println!("  $ {}   (log: {})", line_of(command), log.display());
        if let Some(folder) = log.parent() {
            std::fs::create_dir_all(folder).map_err(Failure::io(folder.display()))?;
        }
        let file = File::create(log).map_err(Failure::io(log.display()))?;
        let both = file.try_clone().map_err(Failure::io(log.display()))?;
        command.stdout(file).stderr(both);
        let ended = self.finish(self.spawn(command)?);
        let result = ended.and_then(|status| require_success(command, status));
        if result.is_err() {
            show_tail(log);
        }
        result
    }

    /// Runs a command and returns what it printed on its standard output.
    pub(crate) fn output(&self, command: &mut Command) -> Result<String, Failure> {
        let child = self.spawn(command.stdout(Stdio::piped()))?;
        let (status, text) = self.finish_reading(child)?;
        require_success(command, status).map(|()| text)
    }

    /// The same for a question: `None` where the program is missing or exits with another code
    /// than 0, and no complaint of it is shown.
    pub(crate) fn output_if_good(&self, command: &mut Command) -> Result<Option<String>, Failure> {
        self.check()?;
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let Ok(child) = self.spawn(command) else {
            return Ok(None);
        };
        let (status, text) = self.finish_reading(child)?;
        Ok(status.success().then_some(text))
    }

    /// Whether a command can be started at all and exits with 0; prints nothing.
    pub(crate) fn succeeds(&self, command: &mut Command) -> Result<bool, Failure> {
        self.output_if_good(command).map(|text| text.is_some())
    }

    /// Fails once the budget is spent or a signal came: for work that is not a child process.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(Failure::Interrupted);
        }
        if self.started.elapsed() >= self.budget {
            return Err(Failure::TimedOut(self.budget));
        }
        Ok(())
    }

    fn spawn(&self, command: &mut Command) -> Result<Child, Failure> {
        self.check()?;
        command
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(Failure::io(format!(
                "cannot start {}",
                command.get_program().display()
            )))
    }

    /// Waits for the child while a thread of its own empties the pipe.
    fn finish_reading(&self, mut child: Child) -> Result<(ExitStatus, String), Failure> {
        let reader = child.stdout.take().map(|mut pipe| {
            thread::spawn(move || {
                let mut text = Vec::new();
                pipe.read_to_end(&mut text).map(|_| text)
            })
        });
        let status = self.finish(child)?;
        let text = match reader.map(thread::JoinHandle::join) {
            Some(Ok(Ok(text))) => String::from_utf8_lossy(&text).into_owned(),
            _ => return Err(Failure::new("the output cannot be read")),
        };
        Ok((status, text))
    }

    /// Waits for the child; whatever way it ends, nothing of its group is left.
    fn finish(&self, mut child: Child) -> Result<ExitStatus, Failure> {
        let group = child.id();
        loop {
            if let Some(status) = child.try_wait().map_err(Failure::io("cannot wait"))? {
                kill_group(group);
                return Ok(status);
            }
            if let Err(failure) = self.check() {
                kill_group(group);
                let _ = child.wait();
                return Err(failure);
            }
            thread::sleep(POLL_INTERVAL);
        }
    }
}

/// Prints what a child says as it comes; gives the lines of failed checks, cut to their beginning.
fn pass_on(output: impl Read) -> Vec<String> {
    let mut output = BufReader::new(output);
    let mut failed = Vec::new();
    let mut line = Vec::new();
    while output
        .read_until(b'\n', &mut line)
        .is_ok_and(|read| read > 0)
    {
        let text = String::from_utf8_lossy(&line);
        print!("{text}");
        if text.starts_with(FAILED) {
            failed.push(text.trim_end().chars().take(FAILED_CHARACTERS).collect());
        }
        line.clear();
    }
    failed
}

/// The program and its arguments as one would type them.
fn line_of(command: &Command) -> String {
    let mut line = name_of(command);
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

fn require_success(command: &Command, status: ExitStatus) -> Result<(), Failure> {
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(format!("{}: {status}", name_of(command))))
}

/// The program without its folder.
fn name_of(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    name.to_string_lossy().into_owned()
}

fn show_tail(log: &Path) {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    for line in &lines[lines.len().saturating_sub(LOG_TAIL_LINES)..] {
        println!("    | {line}");
    }
}

/// Sends SIGKILL to every process of a group; a group that is gone already is fine.
fn kill_group(group: u32) {
    let _ = Command::new("kill")
        .args(["-KILL", "--", &format!("-{group}")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runner(milliseconds: u64) -> Runner {
        Runner::new(Duration::from_millis(milliseconds), &Interrupted::default())
    }

    #[test]
    fn failed_command_tells_which_checks_failed() {
        let mut command = shell("echo ok one; echo 'FAIL  two: why'; echo end; exit 1");

        let failure = runner(10_000).run(&mut command).unwrap_err();

        let expected = "sh: exit status: 1\nFAIL  two: why";
        assert_eq!(failure, Failure::new(expected));
    }

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    /// Whether a process still runs; one that was killed and waits for its parent does not.
    fn is_running(process: &str) -> bool {
        let output = Command::new("ps")
            .args(["-o", "stat=", "-p", process])
            .output()
            .expect("ps runs");
        let state = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        !state.is_empty() && !state.starts_with('Z')
    }

    #[test]
    fn command_over_its_budget_is_killed_with_its_grandchildren() {
        let folder = std::env::temp_dir().join(format!("xtask-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        let note = folder.join("grandchild");
        let script = format!("sleep 600 & echo $! > {}; wait", note.display());

        let ended = runner(500).run(&mut shell(&script));

        assert_eq!(ended, Err(Failure::TimedOut(Duration::from_millis(500))));
        let grandchild = std::fs::read_to_string(&note).expect("the child wrote its note");
        assert!(!is_running(grandchild.trim()), "{grandchild} still runs");
        std::fs::remove_dir_all(&folder).expect("the folder is ours");
    }

    #[test]
    fn process_left_behind_by_a_good_command_is_killed() {
        let output = runner(60_000).output(&mut shell("sleep 600 >/dev/null & echo $!"));

        let left_behind = output.expect("the shell exits with 0");
        let deadline = Instant::now() + Duration::from_secs(10);
        while is_running(left_behind.trim()) {
            assert!(Instant::now() < deadline, "{left_behind} still runs");
            thread::yield_now();
        }
    }

    #[test]
    fn output_of_a_command_is_returned() {
        let output = runner(60_000).output(&mut shell("echo held"));

        assert_eq!(output, Ok("held\n".to_owned()));
    }

    #[test]
    fn question_to_a_missing_or_failing_program_has_no_answer() {
        let runner = runner(60_000);

        let missing = runner.output_if_good(&mut Command::new("no-such-program"));
        let failing = runner.output_if_good(&mut shell("echo no; exit 1"));

        assert_eq!(missing, Ok(None));
        assert_eq!(failing, Ok(None));
        assert_eq!(runner.succeeds(&mut shell("exit 0")), Ok(true));
    }

    #[test]
    fn exit_code_other_than_zero_is_a_failure() {
        let ended = runner(60_000).run(&mut shell("exit 3"));

        assert!(matches!(ended, Err(Failure::Failed(text)) if text.contains('3')));
    }

    #[test]
    fn nothing_starts_after_a_signal() {
        let interrupted = Interrupted::default();
        let runner = Runner::new(Duration::from_secs(60), &interrupted);

        interrupted.store(true, Ordering::Relaxed);

        assert_eq!(runner.run(&mut shell("exit 0")), Err(Failure::Interrupted));
    }
}
