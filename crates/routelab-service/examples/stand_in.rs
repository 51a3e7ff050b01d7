//! A stand-in for the models: an OpenAI-compatible endpoint that does sums and counts what it would charge (`/counts`).
//!
//! `cargo run --release -p routelab-service --example stand_in -- --port 8090 --delay 5 --broken 0.01`
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program of a few lines"
)]

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use routelab_service::stand_in::{Behaviour, StandIn};

fn main() -> ExitCode {
    let mut port = 8090;
    let mut behaviour = Behaviour::default();
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let value = args.next().unwrap_or_default();
        let number = value.parse::<f64>();
        match (name.as_str(), number) {
            ("--port", Ok(number)) => port = number as u16,
            ("--delay", Ok(number)) => behaviour.delay = Duration::from_secs_f64(number / 1000.0),
            ("--hang", Ok(share)) => behaviour.hang = share,
            ("--reset", Ok(share)) => behaviour.reset = share,
            ("--garbage", Ok(share)) => behaviour.garbage = share,
            ("--limited", Ok(share)) => behaviour.limited = share,
            ("--broken", Ok(share)) => behaviour.broken = share,
            ("--key", _) => behaviour.key = Some(value),
            ("--down", _) => behaviour.down = value.split(',').map(str::to_owned).collect(),
            _ => {
                eprintln!(
                    "error: {name} {value}\nhelp: --port PORT --delay MILLISECONDS --key KEY --down MODEL,… and shares of requests: --hang --reset --garbage --limited --broken"
                );
                return ExitCode::from(2);
            }
        }
    }
    match StandIn::start(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), behaviour) {
        Ok(server) => {
            println!("a stand-in for the models is at {}", server.url());
            server.wait();
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}
