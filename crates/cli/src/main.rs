//! `ossget`: resumable, parallel, verified downloads from Alibaba Cloud OSS.
//!
//! A thin skin over the crate `ossget`: [`low`] is what the user typed, [`hi`] what it means,
//! [`get`] runs it, [`output`] tells how it goes, [`exit`] says what came of it.

#![forbid(unsafe_code)]

mod asked;
mod cat;
mod checkpoint;
mod config;
mod doctor;
mod duration;
mod environment;
mod exit;
mod get;
mod hi;
mod identity;
mod low;
mod network;
mod one_source;
mod output;
mod range;
mod runtime;
mod settings;
mod sign;
mod signals;
mod size;
mod source;
mod stat;
mod stores;
mod verify;

use environment::Environment;
use low::{Command, LowArgs};
use std::process::ExitCode;

fn main() -> ExitCode {
    let low = match LowArgs::parse_arguments(std::env::args_os()) {
        Ok(low) => low,
        Err(error) => {
            // Nobody is left to tell when this fails.
            drop(error.print());
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(exit::USAGE));
        }
    };
    let environment = Environment::of_process();
    ExitCode::from(match low.command {
        Command::Get(low) => get::run(&low, &environment),
        Command::Verify(low) => verify::run(&low, &environment),
        Command::Cat(low) => cat::run(&low, &environment),
        Command::Doctor(low) => doctor::run(&low, &environment),
        Command::Stat(low) => stat::run(&low, &environment),
        Command::Sign(low) => sign::run(&low, &environment),
        Command::Checkpoint { action } => checkpoint::run(&action, &environment),
        Command::Config { action } => config::run(&action, &environment),
    })
}
