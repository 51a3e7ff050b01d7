//! What a request asks for, and what a router decides.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

/// A router that is ready to decide.
pub trait Decider: Send + Sync {
    /// The names of the models that it chooses among.
    fn models(&self) -> &[String];

    /// Chooses a model for a prompt.
    ///
    /// # Errors
    ///
    /// [`Undecided::NeedsImage`] from a router that looks at images, where there is none.
    fn decide(&self, text: &str, image: Option<&Path>, limit: Limit)
    -> Result<Decision, Undecided>;
}

/// What limits a choice, in the unit of the costs that the router was fitted on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// The largest cost; infinite for none.
    Budget(f64),
    /// What a unit of cost is worth in quality, 0 or more: the choice has the largest quality less price times cost.
    Price(f64),
}

/// Why a router does not decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undecided {
    /// It looks at images, and there is none.
    NeedsImage,
    /// Another reason.
    Failed(String),
}

/// What a router predicts and chooses.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The column of the chosen model.
    pub chosen: usize,
    /// That of the model that the router would choose without it, where the router was asked.
    pub runner_up: Option<usize>,
    /// Predicted quality of every model.
    pub quality: Vec<f64>,
    /// Predicted cost of every model.
    pub cost: Vec<f64>,
}

impl Decision {
    /// The chosen model, the runner-up, and then the others as they follow: under a budget those within it by their quality and then the
    /// rest from the cheapest on, under a price by quality less price times cost.
    pub fn order(&self, limit: Limit) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.quality.len()).collect();
        let (quality, cost) = (&self.quality, &self.cost);
        match limit {
            Limit::Budget(budget) => order.sort_by(|&a, &b| {
                let within = |model: usize| cost[model] <= budget;
                let by_quality = quality[b].total_cmp(&quality[a]);
                let by_cost = cost[a].total_cmp(&cost[b]);
                within(b).cmp(&within(a)).then(if within(a) && within(b) {
                    by_quality.then(by_cost)
                } else {
                    by_cost
                })
            }),
            Limit::Price(price) => order.sort_by(|&a, &b| {
                let worth = |model: usize| quality[model] - price * cost[model];
                worth(b)
                    .total_cmp(&worth(a))
                    .then(cost[a].total_cmp(&cost[b]))
            }),
        }
        for model in [self.runner_up, Some(self.chosen)].into_iter().flatten() {
            order.retain(|&other| other != model);
            order.insert(0, model);
        }
        order
    }

    /// Whether the chosen model is predicted to be within a budget.
    pub fn within(&self, limit: Limit) -> bool {
        match limit {
            Limit::Budget(budget) => self.cost[self.chosen] <= budget,
            Limit::Price(_) => true,
        }
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Budget(budget) if budget.is_infinite() => f.write_str("none"),
            Self::Budget(budget) => write!(f, "budget={budget}"),
            Self::Price(price) => write!(f, "price={price}"),
        }
    }
}

/// The name under which the router itself is a model.
pub const ROUTER: &str = "routelab";

/// Who shall answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    /// Whom the router chooses.
    Router(Limit),
    /// A model of the pool, by its name.
    Model(String),
}

/// Reads the model's name of a request and the headers that limit it.
///
/// # Errors
///
/// Words that are no limit, and two limits.
pub fn asked(
    model: &str,
    budget: Option<&str>,
    price: Option<&str>,
    usual: Limit,
) -> Result<Asked, String> {
    let number = |name: &str, text: &str| match text.trim().parse::<f64>() {
        Ok(value) if value >= 0.0 => Ok(value),
        _ => Err(format!(
            "{name} must be a number of at least 0, not {text:?}"
        )),
    };
    let mut limits = Vec::new();
    if let Some(text) = budget {
        limits.push(Limit::Budget(number("x-routelab-budget", text)?));
    }
    if let Some(text) = price {
        limits.push(Limit::Price(number("x-routelab-price", text)?));
    }
    let Some(rest) = model.strip_prefix(ROUTER) else {
        return Ok(Asked::Model(model.to_owned()));
    };
    match rest.strip_prefix(':').map(|rest| rest.split_once('=')) {
        None if rest.is_empty() => {}
        Some(Some(("budget", text))) => {
            limits.push(Limit::Budget(number("the budget in `model`", text)?))
        }
        Some(Some(("price", text))) => {
            limits.push(Limit::Price(number("the price in `model`", text)?))
        }
        None => return Ok(Asked::Model(model.to_owned())),
        Some(_) => {
            return Err(format!(
                "the model {model:?} is none; expected {ROUTER}, {ROUTER}:budget=0.002 or {ROUTER}:price=100"
            ));
        }
    }
    match limits.as_slice() {
        [] => Ok(Asked::Router(usual)),
        [limit] => Ok(Asked::Router(*limit)),
        _ => Err("give one limit: a budget or a price, in `model` or in a header".to_owned()),
    }
}

/// The text that a router sees of a chat: what the user said, message by message.
pub fn text_of(messages: &[Value]) -> String {
    let users = messages.iter().filter(|message| message["role"] == "user");
    let texts = users.flat_map(|message| match &message["content"] {
        Value::String(text) => vec![text.as_str()],
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part["text"].as_str())
            .collect(),
        _ => Vec::new(),
    });
    texts.collect::<Vec<_>>().join("\n")
}

/// The first image of a chat, with the ending of its kind.
///
/// # Errors
///
/// One that is not in the request itself: nothing is fetched.
pub fn image_of(messages: &[Value]) -> Result<Option<(Vec<u8>, &'static str)>, String> {
    let parts = messages
        .iter()
        .filter_map(|message| message["content"].as_array())
        .flatten();
    let mut urls = parts.filter_map(|part| {
        part["image_url"]["url"]
            .as_str()
            .or(part["image_url"].as_str())
    });
    let Some(url) = urls.next() else {
        return Ok(None);
    };
    let wrong = || {
        "the router looks at images: give them as data:image/png;base64,…; addresses are not fetched".to_owned()
    };
    let (kind, data) = url
        .strip_prefix("data:image/")
        .and_then(|rest| rest.split_once(";base64,"))
        .ok_or_else(wrong)?;
    let ending = match kind {
        "png" => ".png",
        "jpeg" | "jpg" => ".jpg",
        "gif" => ".gif",
        "webp" => ".webp",
        _ => return Err(wrong()),
    };
    let bytes = STANDARD
        .decode(data)
        .map_err(|error| format!("the image is no base64: {error}"))?;
    Ok(Some((bytes, ending)))
}

/// The messages of a request.
///
/// # Errors
///
/// A request without any.
pub fn messages_of(body: &Map<String, Value>) -> Result<&[Value], String> {
    let messages = body.get("messages").and_then(Value::as_array);
    messages
        .filter(|messages| !messages.is_empty())
        .map(Vec::as_slice)
        .ok_or_else(|| "`messages` must be a list of messages".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn limits_come_from_the_name_or_a_header() {
        let usual = Limit::Budget(1.0);
        let read = |model, budget, price| asked(model, budget, price, usual);
        assert_eq!(read("routelab", None, None), Ok(Asked::Router(usual)));
        assert_eq!(
            read("routelab:budget=0.5", None, None),
            Ok(Asked::Router(Limit::Budget(0.5)))
        );
        assert_eq!(
            read("routelab", None, Some("20")),
            Ok(Asked::Router(Limit::Price(20.0)))
        );
        assert_eq!(
            read("gpt-4", None, None),
            Ok(Asked::Model("gpt-4".to_owned()))
        );
        assert_eq!(
            read("routelab-like", None, None),
            Ok(Asked::Model("routelab-like".to_owned()))
        );
        for (model, budget) in [
            ("routelab:budget=x", None),
            ("routelab:budget=-1", None),
            ("routelab:cheap", None),
            ("routelab:price=1", Some("2")),
            ("routelab", Some("NaN")),
        ] {
            assert!(read(model, budget, None).is_err(), "{model} {budget:?}");
        }
    }

    #[test]
    fn the_next_best_follows_the_choice() {
        let mut decision = Decision {
            runner_up: None,
            chosen: 1,
            quality: vec![0.5, 0.7, 0.9, 0.6],
            cost: vec![1.0, 2.0, 9.0, 8.0],
        };
        assert_eq!(decision.order(Limit::Budget(3.0)), [1, 0, 3, 2]);
        assert_eq!(decision.order(Limit::Budget(f64::INFINITY)), [1, 2, 3, 0]);
        assert_eq!(decision.order(Limit::Price(0.1)), [1, 0, 2, 3]);
        assert!(decision.within(Limit::Budget(2.0)) && !decision.within(Limit::Budget(1.0)));
        decision.runner_up = Some(3);
        assert_eq!(decision.order(Limit::Budget(f64::INFINITY)), [1, 3, 2, 0]);
    }

    #[test]
    fn what_the_user_said_is_what_a_router_sees() {
        let messages = json!([
            { "role": "system", "content": "Be short." },
            { "role": "user", "content": "One" },
            { "role": "assistant", "content": "Two" },
            { "role": "user", "content": [{ "type": "text", "text": "Three" },
                { "type": "image_url", "image_url": { "url": "data:image/png;base64,AAEC" } }] },
        ]);
        let messages = messages.as_array().unwrap();
        assert_eq!(text_of(messages), "One\nThree");
        assert_eq!(image_of(messages).unwrap(), Some((vec![0, 1, 2], ".png")));
        let far = json!([{ "role": "user", "content": [{ "image_url": { "url": "https://example.org/a.png" } }] }]);
        assert!(
            image_of(far.as_array().unwrap())
                .unwrap_err()
                .contains("not fetched")
        );
    }
}
