//! `routelab backends`: where networks can run.

use routelab_heads::Backend;
use routelab_heads::backend::{BACKENDS, DEFAULT};
use serde_json::json;

use crate::failure::Outcome;
use crate::output::Output;

/// Lists every backend, whether this build has it and whether it opens on this machine.
pub fn run(output: &Output) -> Outcome {
    let mut rows = Vec::new();
    for info in BACKENDS {
        let problem = Backend::from_name(info.name)
            .err()
            .map(|error| error.to_string());
        let state = problem.clone().unwrap_or_else(|| "ready".to_owned());
        let default = if info.name == DEFAULT {
            " (default)"
        } else {
            ""
        };
        output.say(format!(
            "{:<9}{}{default}\n         {state}",
            info.name, info.description
        ));
        rows.push(json!({
            "name": info.name,
            "description": info.description,
            "ready": problem.is_none(),
            "problem": problem,
            "default": info.name == DEFAULT,
        }));
    }
    output.result(&rows.into());
    Ok(())
}
