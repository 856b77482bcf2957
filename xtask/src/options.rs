//! The command line.

/// What is printed for `cargo xtask help`, and below a complaint.
pub(crate) const USAGE: &str = "\
usage: cargo xtask COMMAND

  test [--only STAGE,…] [--skip STAGE,…]   set up and run the gate: what CI runs
  list                                     the stages of the gate and their budgets
  setup                                    install what the stages need
  lint                                     format, clippy, rustdoc, links, layers
  layers                                   no crate imports one above it
  conformance [ARGUMENT…]                  all Autobahn cases, both roles
  fuzz [--minutes N] [TARGET…]             each fuzz target for N minutes (10)
  bench [ARGUMENT…]                        the benchmarks of bench/
  endure [--minutes N] [--page FILE]       a page with the classic heartbeat stays connected (10)
  chaos [--minutes N] [--seed N]           all clients under faults, judged (each fault once)";

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// Print the usage.
    Help,
    /// Print the table of stages.
    List,
    /// Run the gate.
    Test,
    /// Install what the stages need.
    Setup,
    /// The quick stages that look at the text.
    Lint,
    /// The layers stage alone.
    Layers,
    /// All Autobahn cases in both roles.
    Conformance,
    /// Every fuzz target for a longer time.
    Fuzz,
    /// The benchmarks.
    Bench,
    /// A page in a browser for minutes on end.
    Endure,
    /// Clients of all kinds while lines are cut and servers die.
    Chaos,
}

/// A parsed command line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// What to do.
    pub(crate) command: Command,
    /// Stages to run; empty means all.
    pub(crate) only: Vec<String>,
    /// Stages to leave out.
    pub(crate) skip: Vec<String>,
    /// Minutes for each fuzz target.
    pub(crate) minutes: Option<u64>,
    /// Arguments that are handed on as they are.
    pub(crate) rest: Vec<String>,
}

impl Options {
    /// Reads the arguments after the program's name.
    ///
    /// # Errors
    /// One sentence that names the argument that is wrong.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut arguments = arguments.iter().cloned();
        let command = match arguments.next().as_deref() {
            None | Some("help" | "-h" | "--help") => Command::Help,
            Some("list") => Command::List,
            Some("test") => Command::Test,
            Some("setup") => Command::Setup,
            Some("lint") => Command::Lint,
            Some("layers") => Command::Layers,
            Some("conformance") => Command::Conformance,
            Some("fuzz") => Command::Fuzz,
            Some("bench") => Command::Bench,
            Some("endure") => Command::Endure,
            Some("chaos") => Command::Chaos,
            Some(other) => return Err(format!("there is no command {other}")),
        };
        let mut options = Self {
            command,
            only: Vec::new(),
            skip: Vec::new(),
            minutes: None,
            rest: Vec::new(),
        };
        while let Some(argument) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .ok_or_else(|| format!("{argument} needs a value"))
            };
            match (command, argument.as_str()) {
                (Command::Test, "--only") => options.only.extend(names(&value()?)),
                (Command::Test, "--skip") => options.skip.extend(names(&value()?)),
                (Command::Fuzz, "--minutes") => {
                    let text = value()?;
                    let minutes = text.parse().ok().filter(|minutes| *minutes > 0);
                    let wrong = || format!("--minutes wants a whole number above 0, not {text}");
                    options.minutes = Some(minutes.ok_or_else(wrong)?);
                }
                (
                    Command::Conformance
                    | Command::Fuzz
                    | Command::Bench
                    | Command::Endure
                    | Command::Chaos,
                    _,
                ) => options.rest.push(argument),
                _ => return Err(format!("{argument} is not an argument of this command")),
            }
        }
        Ok(options)
    }
}

fn names(list: &str) -> Vec<String> {
    list.split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Options::parse(&arguments)
    }

    #[test]
    fn stages_are_named_with_commas_or_repeated_flags() {
        let options = parse("test --only fmt,clippy --skip docs --only links").expect("is legal");

        assert_eq!(options.only, ["fmt", "clippy", "links"]);
        assert_eq!(options.skip, ["docs"]);
    }

    #[test]
    fn minutes_must_be_a_number_above_zero() {
        assert_eq!(
            parse("fuzz --minutes 3").expect("is legal").minutes,
            Some(3)
        );
        for wrong in ["fuzz --minutes", "fuzz --minutes 0", "fuzz --minutes soon"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn unknown_command_and_unknown_argument_are_refused() {
        assert!(parse("tset").is_err());
        assert!(parse("test --fast").is_err());
        assert!(parse("layers now").is_err());
    }

    #[test]
    fn arguments_of_scripts_are_handed_on() {
        let options = parse("conformance --cases 1.*").expect("is legal");

        assert_eq!(options.rest, ["--cases", "1.*"]);
    }
}
