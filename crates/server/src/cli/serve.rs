//! The flags of `holdwire serve`, made from the table of settings.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches, value_parser};

use crate::config::{Arity, SETTINGS, ServeFlags, SettingSpec};

const CONFIG: &str = "config";
const CHECK_CONFIG: &str = "check-config";
const GENERAL: &str = "Configuration";

impl Args for ServeFlags {
    fn augment_args(command: Command) -> Command {
        command
            .arg(
                Arg::new(CONFIG)
                    .long(CONFIG)
                    .value_name("FILE")
                    .value_parser(value_parser!(PathBuf))
                    .help_heading(GENERAL)
                    .help("Reads settings from this TOML file [env: HOLDWIRE_CONFIG]"),
            )
            .arg(
                Arg::new(CHECK_CONFIG)
                    .long(CHECK_CONFIG)
                    .action(ArgAction::SetTrue)
                    .help_heading(GENERAL)
                    .help("Prints every setting with its value and source, and ends"),
            )
            .args(SETTINGS.iter().map(flag))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ServeFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let texts = SETTINGS
            .iter()
            .filter_map(|spec| {
                let texts = matches.get_many::<String>(spec.name)?;
                Some((spec.name, texts.cloned().collect()))
            })
            .collect();
        Ok(Self {
            config: matches.get_one(CONFIG).cloned(),
            check_config: matches.get_flag(CHECK_CONFIG),
            texts,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn flag(spec: &SettingSpec) -> Arg {
    let default = match spec.default {
        [] => String::new(),
        texts => format!(" [default: {}]", texts.join(" ")),
    };
    let repeatable = match spec.arity {
        Arity::List => "; repeatable",
        Arity::One | Arity::Switch => "",
    };
    let help = format!(
        "{}{repeatable}{default} [env: {}]",
        spec.help,
        spec.variable()
    );
    let flag = Arg::new(spec.name)
        .long(spec.name)
        .value_name(spec.value_name)
        .help_heading(spec.group)
        .help(help);
    match spec.arity {
        Arity::List => flag.action(ArgAction::Append),
        Arity::One => flag.action(ArgAction::Set),
        Arity::Switch => flag
            .action(ArgAction::Set)
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true"),
    }
}
